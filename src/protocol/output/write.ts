import * as v from "valibot";
import { count, sha256, text } from "./fields.ts";

export default v.object({
  path: text("the file on the workspace, as it was named"),
  bytes: count("what was written, in bytes"),
  sha256: sha256("of what was written"),
});
