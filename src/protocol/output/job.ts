// A job, as everything about jobs prints it.
import * as v from "valibot";
import { count, flag, id, jobId, moment, oneOf, openOneOf, text } from "./fields.ts";

export const jobEntries = {
  job_id: jobId("its id; wherever one is asked for, the beginning is enough"),
  workspace_id: id("the workspace that keeps it"),
  state: oneOf(
    ["running", "exited", "lost"],
    "lost: it neither runs nor did it end, because its workspace was stopped or its processes were killed from outside",
  ),
  exit_code: v.nullable(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(0),
      v.maxValue(255),
      v.description("of the command, 128+n where signal n ended it; null unless it exited"),
    ),
  ),
  ended_by: v.pipe(
    v.nullable(openOneOf(["kill", "timeout"], "jobs kill, or the job's own --timeout")),
    v.description("what ended it, or is about to, where that was not the command itself"),
  ),
  command: text("what runs, for people: on one line, and shortened"),
  cwd: text("the directory that it was started in"),
  started_at: v.nullable(moment("when it began, by the workspace's clock")),
  ended_at: v.nullable(moment("when it ended, by the workspace's clock; null unless it exited")),
  timeout_s: v.nullable(count("its time limit, in seconds")),
  stdout_bytes: count("how much it wrote to standard output, in bytes, what is not kept any more included"),
  stderr_bytes: count("the same of its standard error"),
  stdout_truncated: flag("whether some of that was let go: its beginning and its end are kept"),
  stderr_truncated: flag("the same of its standard error"),
};

const Job = v.pipe(v.object(jobEntries), v.description("A command that `exec --detach` started."));

export default Job;
export type JobDocument = v.InferOutput<typeof Job>;
