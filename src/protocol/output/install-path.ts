import * as v from "valibot";
import { flag, oneOf, text } from "./fields.ts";

const dir = text("the program's folder");

export default v.union([
  v.object({
    path: text("the file that the shell reads at its start"),
    dir,
    shell: oneOf(["bash", "zsh", "fish", "sh"], "whose file it is"),
    changed: flag("whether it was changed, or with --dry-run would be"),
    backup: v.exactOptional(text("where the file as it was is kept, when a copy was made")),
    dry_run: v.exactOptional(flag("true with --dry-run")),
  }),
  v.pipe(
    v.object({ dir, changed: v.literal(false), command: text("what to type in PowerShell") }),
    v.title("on Windows"),
  ),
]);
