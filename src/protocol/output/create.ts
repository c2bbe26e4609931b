import * as v from "valibot";
import { text } from "./fields.ts";
import { workspaceEntries } from "./workspace.ts";

export default v.object({
  ...workspaceEntries,
  web_url: v.nullable(text("its page; null where the control plane gave none")),
});
