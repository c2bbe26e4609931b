// A command that this server holds, told as a job of the workspace is: whoever asks for either gets the same answer.
import { RuncodeError } from "../protocol/errors.ts";
import { withoutHalf, type Job, type Logs, type Piece } from "../ssh/jobs/index.ts";
import type { Running } from "./commands.ts";
import type { StreamLog } from "./stream-log.ts";

/** Of a shell whose command TERM ended, which is what ends one here. */
const TERMINATED = 143;

export function jobOf(id: string, { command, shown, begun, ended, stdout, stderr }: Running): Job {
  const size = ({ total, gap }: StreamLog): Job["stdout"] => ({ bytes: total, truncated: gap });
  return {
    id,
    ...endOf(ended),
    startedAt: begun,
    endedAt: ended?.at ?? null,
    timeoutMs: command.timeoutMs === undefined ? null : Math.ceil(command.timeoutMs / 1000) * 1000,
    directory: command.directory ?? "~",
    command: shown,
    stdout: size(stdout),
    stderr: size(stderr),
  };
}

function endOf(ended: Running["ended"]): Pick<Job, "state" | "exitCode" | "endedBy"> {
  if (ended === null) return { state: "running", exitCode: null, endedBy: null };
  if (!("error" in ended)) return { state: "exited", exitCode: ended.code, endedBy: null };
  const code = ended.error instanceof RuncodeError ? ended.error.code : null;
  if (code === "timeout" || code === "terminated")
    return { state: "exited", exitCode: TERMINATED, endedBy: code === "timeout" ? "timeout" : "kill" };
  return { state: "lost", exitCode: null, endedBy: null };
}

/** `from`: the offsets to read from; at most `most` bytes of each stream are given. */
export function logsOf(
  id: string,
  running: Running,
  from: { readonly stdout: number; readonly stderr: number },
  most: number,
): Logs {
  const piece = (name: "stdout" | "stderr"): Piece => {
    const { from: offset, bytes: kept } = running[name].from(from[name], most);
    const toCome = running.ended === null || offset + kept.length < running[name].total;
    const bytes = toCome ? withoutHalf(kept) : kept;
    return { offset, bytes, nextOffset: offset + bytes.length, skipped: Math.max(0, offset - from[name]) };
  };
  const [stdout, stderr] = [piece("stdout"), piece("stderr")];
  const more = stdout.nextOffset < running.stdout.total || stderr.nextOffset < running.stderr.total;
  return { job: jobOf(id, running), stdout, stderr, more };
}
