// What is printed under `--json` instead of a command's own document, where the command fails.
import * as v from "valibot";
import { MEANINGS } from "../error-meanings.ts";
import { EXIT_CODES, type ErrorCode } from "../errors.ts";
import { openOneOf, text } from "./fields.ts";

const CODES = Object.keys(EXIT_CODES) as ErrorCode[];

export default v.pipe(
  v.object({
    error: openOneOf(CODES, CODES.map((code) => `${code} (exit ${EXIT_CODES[code]}): ${MEANINGS[code]}`).join("\n")),
    message: text("what failed, and on what"),
    hint: v.exactOptional(text("what to do now, often as a command")),
    phase: v.exactOptional(
      v.pipe(
        text("how far the work had come; remote: a command may have begun on the workspace, and is not sent again"),
        v.examples(["remote"]),
      ),
    ),
  }),
  v.description(
    "The exit code is never 0 where this is printed: it is the code's own, and 255 for `exec` and `ssh`, whose other exit codes " +
      "are the remote command's.",
  ),
);
