// `put` and `get`.
import * as v from "valibot";
import { count, sha256 } from "./fields.ts";

export default v.object({
  files: count("how many files were transferred"),
  bytes: count("their content, in bytes"),
  sha256: v.exactOptional(sha256("of the content, where it was one file")),
  duration_ms: count("how long it took, in milliseconds"),
});
