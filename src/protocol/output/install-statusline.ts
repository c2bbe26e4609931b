import * as v from "valibot";
import { flag, text } from "./fields.ts";

export default v.object({
  path: text("Claude Code's settings file"),
  changed: flag("whether it was changed"),
  installed: flag("whether the status line is there now"),
  command: v.exactOptional(text("what Claude Code runs, where it is installed")),
  backup: v.exactOptional(text("where the file as it was is kept, when a copy was made")),
});
