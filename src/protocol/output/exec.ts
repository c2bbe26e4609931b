// `exec`, and `ssh` with a command.
import * as v from "valibot";
import { count, flag, id, text } from "./fields.ts";

const Exec = v.pipe(
  v.object({
    exit_code: v.pipe(
      v.number(),
      v.integer(),
      v.minValue(0),
      v.maxValue(255),
      v.description("of the remote command, and of this program too; 128+n where signal n ended it"),
    ),
    signal: v.exactOptional(text("the signal that ended the command, without SIG: TERM")),
    stdout: text("what the command wrote, as UTF-8; bytes that are none are U+FFFD"),
    stderr: text("the same of its standard error"),
    stdout_truncated: flag("whether more came than the first 10 MiB, which is all that is kept"),
    stderr_truncated: flag("the same of its standard error"),
    duration_ms: count("how long it took, in milliseconds"),
    workspace_id: id("the workspace's number"),
  }),
  v.description(
    "What came of the remote command, whatever its exit code. Where something outside of it went wrong there is the error object instead, " +
      'and this program exits with 255; "phase":"remote" in it means that the command may have begun.',
  ),
);

export default Exec;
export type ExecDocument = v.InferOutput<typeof Exec>;
