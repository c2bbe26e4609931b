// What the `runtime` commands print of a runtime.
import * as v from "valibot";
import { list, text } from "./fields.ts";

const runtime_id = text("what it is called: its container's name, or what the command was given");
const container_id = text("the engine's id of its container: 64 hex digits");
const status = v.pipe(
  text("the engine's word for its state"),
  v.examples(["running", "paused", "exited", "created", "restarting"]),
);

/** A runtime as `start` and `list` tell of it. */
export const Runtime = v.object({
  runtime_id,
  container_id,
  name: text("its container's name"),
  image: text("what it was made from"),
  status,
  created_at: text("when its container was made: RFC 3339 in UTC, with microseconds where the server tells them"),
  ports: v.pipe(
    v.record(
      v.string(),
      list(
        v.object({ HostIp: text("the address"), HostPort: text("the port, in digits") }),
        "where it is published on the engine's machine",
      ),
    ),
    v.description("by port and protocol inside, such as 80/tcp; empty where nothing is published"),
  ),
});

/** What `stop`, `pause` and `resume` came to. */
export const RuntimeAction = v.object({
  runtime_id,
  container_id,
  status,
  message: text("what the server says of it"),
});
