import * as v from "valibot";
import { askJobs, describeJob } from "../../bundle/jobs.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { jobEntries } from "../../protocol/output/job.ts";
import { KILL_SIGNALS, killJob } from "../../ssh/jobs/index.ts";
import { jobOf } from "../as-jobs.ts";
import { jobId, onWorkspace, workspace } from "../fields.ts";
import { defineTool, REPLACES } from "../tool.ts";
import { sentence } from "./job-status.ts";

/** How long a job may take to end after the signal, before it is killed. In milliseconds. */
const GRACE_MS = 5000;

export default defineTool({
  name: "job_kill",
  title: "End a job",
  description: `Ends a job with all its processes: politely, and for certain after ${GRACE_MS / 1000} seconds. One that has ended already is no failure. \
A command that exec did not hold to its end gets TERM, whatever the signal.`,
  annotations: REPLACES,
  input: v.strictObject({
    job_id: jobId,
    signal: v.optional(v.pipe(v.picklist(KILL_SIGNALS), v.description("what it gets first")), "TERM"),
    workspace,
  }),
  output: v.object({ ...onWorkspace, ...jobEntries }),
  async run({ job_id: id, signal: signalName, workspace }, call) {
    const held = call.commands.find(id);
    const session = held?.session ?? (await call.session(workspace));
    if (held !== null) {
      held.stop(new RuncodeError("terminated", "the command was ended by job_kill"));
      await held.end;
    }
    const request = { signalName, graceMs: GRACE_MS, signal: call.signal };
    const job = held === null ? await askJobs(call, session, (good) => killJob(good, id, request)) : jobOf(id, held);
    return { structured: { workspace: session.title, ...describeJob(job, session) }, text: `[${sentence(job)}]` };
  },
});
