import * as v from "valibot";
import { flag, list, moment, oneOf, text } from "./fields.ts";

const end = (what: string) =>
  v.pipe(
    v.union([v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)), v.string()]),
    v.description(`${what}: a port, the path of a Unix socket, or HOST:PORT`),
  );
const entries = {
  local: end("the end on this machine"),
  remote: end("the end at the workspace"),
  url: text("what to open in order to use it; with direction reverse, on the workspace"),
  direction: oneOf(["local", "reverse"], "local: this machine listens; reverse: the workspace does"),
  workspace: text("the workspace's title"),
};
const Forward = v.object(entries);
export type ForwardDocument = v.InferOutput<typeof Forward>;

export default v.union([
  v.object({ forwards: list(Forward, "those that were asked for") }),
  v.pipe(
    v.object({
      forwards: list(
        v.object({
          ...entries,
          alive: flag("whether it works now"),
          expires_at: moment("when the session's key, and the forward with it, ends unless it is renewed"),
        }),
        "every forward of this machine, or of the workspace that was named",
      ),
    }),
    v.title("--list"),
  ),
  v.pipe(
    v.object({ cancelled: list(Forward, "those that were ended"), forwards: list(Forward, "those that are left") }),
    v.title("--cancel"),
  ),
]);
