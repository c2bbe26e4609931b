// `jobs`: the commands that were started with `exec --detach`, on one workspace.
import { askJobs, describeJob } from "../bundle/jobs.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { table } from "../cli/output.ts";
import { defineCommand } from "../context.ts";
import { KEPT, KEPT_JOBS, listJobs, type Job } from "../ssh/jobs/index.ts";

const MIB = 1024 * 1024;

export default defineCommand({
  summary: "List the jobs of a workspace",
  description: `A job is a command that exec --detach started: it runs on when this program, its connection or this machine is gone, until it ends, is killed, or its workspace stops.

Its state is running, exited (with its exit code, 128+n where signal n ended it), or lost: the workspace was stopped under it.

Jobs are kept on the workspace in ~/.runcode/jobs: of each stream the first ${KEPT.head / MIB} MiB and at least the last ${KEPT.tail / MIB} MiB, and of the jobs that have ended the last ${KEPT_JOBS.count}, ${KEPT_JOBS.kilobytes / 1024} MiB altogether. The beginning of an id is enough wherever one is asked for.`,
  options: {
    workspace: ANOTHER_WORKSPACE,
    running: { kind: "flag", summary: "only those that run" },
  },
  examples: [
    ["runcode jobs", "all that are kept, the newest first"],
    ["runcode jobs --running --json", "as a document"],
  ],
  schema: () => import("../protocol/output/jobs.ts"),
  async run(args, context) {
    const session = await targetSession(context, args.workspace);
    const all = await askJobs(context, session, (good) => listJobs(good, context));
    const jobs = args.running ? all.filter(({ state }) => state === "running") : all;
    return {
      json: jobs.map((job) => describeJob(job, session)),
      text:
        jobs.length === 0
          ? `There is no ${args.running ? "running " : ""}job on ${session.title}: runcode exec --detach -- <command>`
          : table([["ID", "STATE", "STARTED", "TOOK", "COMMAND"], ...jobs.map((job) => row(job, context.clock.now()))]),
    };
  },
});

const SHOWN_COMMAND = 80;

function row(job: Job, now: number): string[] {
  const { id, startedAt, command } = job;
  const until = job.endedAt ?? (job.state === "running" ? now : null);
  return [
    id,
    stateOf(job),
    startedAt === null ? "" : new Date(startedAt).toISOString().replace(/\.\d+Z$/, "Z"),
    startedAt === null || until === null ? "" : span(Math.max(0, until - startedAt) / 1000),
    command.length > SHOWN_COMMAND ? `${command.slice(0, SHOWN_COMMAND)}…` : command,
  ];
}

function stateOf({ state, exitCode, endedBy }: Job): string {
  const why = endedBy === null ? "" : endedBy === "kill" ? ", killed" : ", time limit";
  return `${state}${exitCode === null ? "" : ` ${exitCode}`}${why}`;
}

/** In the two largest units. */
function span(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s} s` : `${s} s`;
}
