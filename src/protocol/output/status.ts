import * as v from "valibot";
import { flag, id, list } from "./fields.ts";
import { sessionEntries } from "./session.ts";

export default v.object({
  attached: v.nullable(id("the attached workspace's number; null where none is attached")),
  sessions: list(
    v.object({
      ...sessionEntries,
      attached: flag("whether it is the attached one"),
      valid: flag("whether its key lives long enough to be used as it is: for 90 seconds at least"),
      connected: flag("whether a connection is open"),
    }),
    "every session on this machine, of every control plane",
  ),
});
