import * as v from "valibot";
import { flag, id } from "./fields.ts";

export default v.object({
  stopped: flag("true: what went wrong is an error object"),
  workspace_id: id("the workspace's number"),
  detached: flag("whether it was the attached one and is no longer"),
});
