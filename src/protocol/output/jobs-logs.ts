import * as v from "valibot";
import { count, flag, text } from "./fields.ts";
import { jobEntries } from "./job.ts";

const Logs = v.pipe(
  v.object({
    ...jobEntries,
    stdout: v.nullable(
      text(
        "what it wrote, as UTF-8, from stdout_offset on, 1 MiB at most; null where only the other stream was asked for",
      ),
    ),
    stderr: v.nullable(text("the same of its standard error")),
    stdout_offset: v.nullable(
      count(
        "which byte the text begins with, of all that was ever written; behind what was asked for where that was let go",
      ),
    ),
    stderr_offset: v.nullable(count("the same of its standard error")),
    next_offset: text("what to give to --since-offset for what comes after this: 2048,0"),
    more: flag("whether there is more to read already, or to come while the job runs"),
  }),
  v.description("The job as it was just before its streams were read, and what was read of them."),
);

export default Logs;
export type LogsDocument = v.InferOutput<typeof Logs>;
