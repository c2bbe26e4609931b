// `jobs kill`: ends jobs, with all that they started.
import { askJobs, describeJob } from "../bundle/jobs.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { KILL_SIGNALS, killJob, type Job } from "../ssh/jobs/index.ts";

const GRACE_SECONDS = 5;
const MOST_GRACE_SECONDS = 3600;

export default defineCommand({
  summary: "End a job and every process that it started",
  description: `Politely first, with KILL after the grace. What a job left in the background when it ended itself is ended as well. Killing twice, or a job that has ended, does no harm.`,
  positionals: { ids: { arity: "some", summary: "ids of jobs, or the beginnings of them" } },
  options: {
    workspace: ANOTHER_WORKSPACE,
    signal: {
      kind: "string",
      short: "s",
      placeholder: "NAME",
      choices: KILL_SIGNALS,
      summary: "begin with this one (TERM)",
    },
    grace: { kind: "seconds", placeholder: "TIME", summary: `how long until KILL (${GRACE_SECONDS}s)` },
  },
  examples: [
    ["runcode jobs kill 3f2a", "the beginning of an id is enough"],
    ["runcode jobs kill 3f2a --signal INT --grace 1m", "as Ctrl-C would, with time to clean up"],
  ],
  schema: () => import("../protocol/output/jobs-kill.ts"),
  async run(args, context) {
    const session = await targetSession(context, args.workspace);
    const signalName = KILL_SIGNALS.find((name) => name === args.signal) ?? "TERM";
    const graceMs = Math.min(args.grace ?? GRACE_SECONDS, MOST_GRACE_SECONDS) * 1000;
    const jobs: Job[] = [];
    for (const id of args.ids) {
      const request = { signal: context.signal, signalName, graceMs };
      jobs.push(await askJobs(context, session, (good) => killJob(good, id, request)));
    }
    return { json: jobs.map((job) => describeJob(job, session)), text: jobs.map(sentence).join("\n") };
  },
});

function sentence({ id, state, exitCode }: Job): string {
  if (state === "running") return `${id} is still running: it takes no signal`;
  return exitCode === null ? `${id} is lost` : `${id} has ended with exit code ${exitCode}`;
}
