import * as v from "valibot";
import { id, list, text } from "./fields.ts";

export default v.object({
  removed: list(
    v.object({
      workspace_id: id("whose session it was"),
      path: text("the folder that was removed"),
    }),
    "what is no longer on this machine",
  ),
});
