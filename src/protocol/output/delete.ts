import * as v from "valibot";
import { flag, id } from "./fields.ts";

export default v.object({
  deleted: flag("false where the question was answered with no; the exit code is 1 then"),
  id: id("the workspace's number"),
});
