import * as v from "valibot";
import { flag, texts } from "./fields.ts";
import { sessionEntries } from "./session.ts";

export default v.object({
  ...sessionEntries,
  command: texts("argv of the ssh that opens a shell there"),
  started: flag("whether the workspace was started for this"),
  reused: flag("whether the session was there already"),
  statusline_installed: flag("whether Claude Code's status line shows it"),
});
