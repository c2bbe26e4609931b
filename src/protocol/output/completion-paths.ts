import * as v from "valibot";
import { texts } from "./fields.ts";

export default v.object({
  paths: texts("paths on the workspace that begin as typed, directories with a slash at their end"),
});
