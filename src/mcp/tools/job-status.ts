import * as v from "valibot";
import { askJobs, describeJob } from "../../bundle/jobs.ts";
import { list } from "../../protocol/output/fields.ts";
import { jobEntries } from "../../protocol/output/job.ts";
import { printable } from "../../protocol/text.ts";
import { listJobs, type Job } from "../../ssh/jobs/index.ts";
import { jobOf } from "../as-jobs.ts";
import { jobId, outlives, onWorkspace, waitMs, workspace } from "../fields.ts";
import { waitFor } from "../wait-for.ts";
import { defineTool, READS, type Call } from "../tool.ts";

export default defineTool({
  name: "job_status",
  title: "Ask for jobs",
  description: `How a job stands, or all of them: those that exec started with background, and the commands that it did not hold to their end. With wait_ms it \
returns as soon as the job has ended, so asking again and again is not needed.`,
  annotations: READS,
  input: v.strictObject({ job_id: v.exactOptional(jobId), wait_ms: waitMs("the job has ended"), workspace }),
  output: v.object({
    ...onWorkspace,
    jobs: list(
      v.object({ ...jobEntries, outlives_server: outlives }),
      "the one that was asked for, or all, the newest first",
    ),
  }),
  async run({ job_id: id, wait_ms: waitMs, workspace }, call) {
    const session = await call.session(workspace);
    const jobs = id === undefined ? await all(session, call) : [await waitFor(id, session, waitMs, call)];
    return {
      structured: {
        workspace: session.title,
        jobs: jobs.map((job) => ({
          ...describeJob(job, session),
          outlives_server: call.commands.find(job.id) === null,
        })),
      },
      text: jobs.map(sentence).join("\n") || "[none]",
    };
  },
});

async function all(session: Awaited<ReturnType<Call["session"]>>, call: Call): Promise<readonly Job[]> {
  const held = call.commands
    .kept()
    .filter(([, running]) => running.session.workspaceId === session.workspaceId)
    .map(([id, running]) => jobOf(id, running));
  return [...held.toReversed(), ...(await askJobs(call, session, (good) => listJobs(good, call)))];
}

export function sentence({ id, state, exitCode, endedBy, command }: Job): string {
  const how = state === "exited" ? `exit code ${exitCode}${endedBy === null ? "" : `, ended by ${endedBy}`}` : state;
  return printable(`${id}: ${how}: ${command}`);
}
