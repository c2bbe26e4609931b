// `jobs wait`: until a job has ended, with its exit code.
import { describeJob, followJob, LONG_MS, passLogs, patiently, stillRunning, waitJob } from "../bundle/jobs.ts";
import type { Session } from "../bundle/session.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { Job } from "../ssh/jobs/index.ts";

export default defineCommand({
  summary: "Wait until a job has ended, and exit with its code",
  description: `The exit code is the job's own, as exec gives it; 255 means that something else went wrong, and the error says what: timeout where --timeout passed first (the job runs on), conflict where the job was lost with its workspace. Prints nothing unless --logs is given.

A lost connection is made anew, for up to ${LONG_MS / 60_000} minutes.`,
  positionals: { id: { arity: "one", summary: "id of a job, or the beginning of one" } },
  options: {
    workspace: ANOTHER_WORKSPACE,
    timeout: { kind: "seconds", placeholder: "TIME", summary: "wait for this long at most; the job runs on" },
    logs: { kind: "flag", summary: "print all that it writes, each stream to its own" },
  },
  examples: [
    ["runcode jobs wait 3f2a && runcode get dist/ -r", "go on when it is done"],
    ["runcode jobs wait 3f2a --timeout 5m --json", "for a bounded time"],
  ],
  schema: () => import("../protocol/output/job.ts"),
  remoteExitCode: true,
  async run(args, context) {
    if (args.logs && context.flags.json) {
      throw new RuncodeError("usage", "jobs wait: --logs and --json exclude each other", {
        hint: "runcode jobs logs --follow --json",
      });
    }
    const session = await targetSession(context, args.workspace);
    const timeoutMs = args.timeout === undefined ? undefined : args.timeout * 1000;
    const job = args.logs
      ? await followed(context, session, args.id, timeoutMs)
      : await waitJob(context, session, args.id, { timeoutMs, patience: patiently(context) });
    if (job.exitCode === null) {
      throw new RuncodeError("conflict", `the job ${job.id} was lost: its workspace stopped before it ended`, {
        hint: `runcode jobs logs ${job.id} shows what it had written`,
      });
    }
    if (job.endedBy === "timeout") context.out.note(`the job ${job.id} was ended by its time limit`);
    return { json: describeJob(job, session), exit: job.exitCode };
  },
});

async function followed(context: Context, session: Session, id: string, timeoutMs: number | undefined): Promise<Job> {
  const limit = new AbortController();
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => limit.abort(stillRunning(id, timeoutMs)), timeoutMs);
  const signal = AbortSignal.any([context.signal, limit.signal]);
  try {
    const deps = { clock: context.clock, signal, sessions: () => context.sessions() };
    const logs = followJob(deps, session, id, { stdout: 0, stderr: 0, follow: true }, patiently(context));
    for (let next = await logs.next(); ; next = await logs.next()) {
      if (next.done === true) return next.value;
      await passLogs(context.streams, next.value);
    }
  } finally {
    clearTimeout(timer);
  }
}
