import * as v from "valibot";
import { oneOf, text, texts } from "./fields.ts";

export default v.union([
  v.object({
    shell: oneOf(["bash", "zsh", "fish", "powershell"], "whose script it is"),
    script: text("to be evaluated by that shell"),
  }),
  v.pipe(
    v.object({ workspaces: texts("titles of the workspaces that this machine knows") }),
    v.title("completion workspaces"),
  ),
]);
