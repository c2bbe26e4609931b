import * as v from "valibot";
import { flag, id, text } from "./fields.ts";

export default v.object({
  disconnected: flag("false where nothing was attached"),
  workspace_id: v.nullable(id("the workspace that was attached")),
  title: v.nullable(text("its title")),
  session_removed: flag("whether its key left this machine and its connection was ended"),
});
