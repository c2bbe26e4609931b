// `jobs logs`: what a job wrote, once or until it ends.
import { askJobs, describeLogs, followJob, LONG_MS, passLogs, patiently } from "../bundle/jobs.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { jobLogs, type From } from "../ssh/jobs/index.ts";

export default defineCommand({
  summary: "Show what a job wrote, or follow it",
  description: `Its stdout goes to stdout and its stderr to stderr, byte for byte. --follow ends with the job, and makes a lost connection anew, for up to ${LONG_MS / 60_000} minutes.

With --json both streams are texts, of 1 MiB each at most. next_offset is what to give to --since-offset for what comes after. Offsets count all that was ever written: where some of that was let go, a text begins later than it was asked to, and stdout_offset and stderr_offset say where.

With --follow and --json there is one such document on each line; more, which says that there is more to read or to come, is false on the last.`,
  positionals: { id: { arity: "one", summary: "id of a job, or the beginning of one" } },
  options: {
    workspace: ANOTHER_WORKSPACE,
    follow: { kind: "flag", short: "f", summary: "go on until the job ends" },
    tail: { kind: "integer", placeholder: "N", min: 0, max: 1_000_000, summary: "begin with the last N lines of each" },
    sinceOffset: { kind: "string", placeholder: "OUT,ERR", summary: "begin at these bytes of stdout and stderr" },
    stdout: { kind: "flag", summary: "only stdout" },
    stderr: { kind: "flag", summary: "only stderr" },
  },
  examples: [
    ["runcode jobs logs 3f2a --tail 20", "how it stands"],
    ["runcode jobs logs 3f2a --follow", "until it ends"],
    ["runcode jobs logs 3f2a --json --since-offset 2048,0", "what is new since the last time"],
  ],
  schema: () => import("../protocol/output/jobs-logs.ts"),
  jsonLines: "with --follow",
  async run(args, context) {
    const from = fromOf(args);
    const session = await targetSession(context, args.workspace);
    const { json } = context.flags;
    if (json && !args.follow) {
      const request = { ...from, wholeCharacters: true, signal: context.signal };
      const logs = await askJobs(context, session, (good) => jobLogs(good, args.id, request));
      return { json: describeLogs(logs, session) };
    }
    const following = { ...from, follow: args.follow, wholeCharacters: json };
    let skipped = 0;
    for await (const logs of followJob(context, session, args.id, following, patiently(context))) {
      const last = logs.job.state !== "running" && !logs.more;
      if (!json) await passLogs(context.streams, logs);
      else if (last || logs.stdout?.bytes.length || logs.stderr?.bytes.length)
        context.out.document(describeLogs(logs, session));
      skipped += (logs.stdout?.skipped ?? 0) + (logs.stderr?.skipped ?? 0);
    }
    if (skipped > 0) context.out.note(`${skipped} bytes in between were let go: runcode jobs --help says what is kept`);
    return {};
  },
});

interface LogsArgs {
  readonly tail: number | undefined;
  readonly sinceOffset: string | undefined;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

function fromOf({ tail, sinceOffset, stdout, stderr }: LogsArgs): { stdout: From; stderr: From } {
  if (tail !== undefined && sinceOffset !== undefined)
    throw new RuncodeError("usage", "jobs logs: --tail and --since-offset exclude each other");
  const offsets = /^(\d{1,15})(?:,(\d{1,15}))?$/.exec(sinceOffset ?? "0");
  if (offsets === null)
    throw new RuncodeError("usage", "--since-offset takes the next_offset of an earlier answer, such as 2048,0");
  const at = (offset: string | undefined): From =>
    tail === undefined ? Number(offset ?? offsets[1]) : { lines: tail };
  const both = stdout === stderr;
  return { stdout: both || stdout ? at(offsets[1]) : null, stderr: both || stderr ? at(offsets[2]) : null };
}
