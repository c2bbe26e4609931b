// Jobs: commands on the workspace that outlive the connection that began them. A supervisor of POSIX sh keeps each one's output and exit
// code in a directory there (scripts.ts says which files); everything here asks that directory, one short question at a time, so that
// it can be asked from another process, tomorrow, or after the laptop slept. All functions take a session's target whose master
// is alive or may be missing: they throw NotStarted where provably nothing was sent (src/bundle/made-good.ts mends that), and
// RuncodeError `ssh_failed` with phase `remote` where the connection was lost. All but `startJob` may then simply be asked again.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import { newId } from "../id.ts";
import { quoteArgv } from "../quote.ts";
import type { SshTarget } from "../target.ts";
import { isId, readJob, whole, type Job, type Section, type StreamSize } from "./answer.ts";
import { ask, unreadable } from "./ask.ts";
import { BEGIN, KILL, LIST, LOGS, REMOVE, START, SUPERVISE, WAIT } from "./scripts.ts";

export type { Job, StreamSize } from "./answer.ts";
export { KEPT, KEPT_JOBS } from "./scripts.ts";

export interface JobRequest {
  /** Chosen beforehand with `newJobId`, so that it is known whatever happens to the answer. */
  readonly id: string;
  /** One word is a shell line for the account's own shell; several are an argv. */
  readonly words: readonly string[];
  /** Where it runs, as `RemoteCommand` has it. */
  readonly directory: string | null;
  /** `NAME=value` pairs, checked by `checkedEnv`. */
  readonly env?: readonly string[] | undefined;
  /** After this long the job is ended. */
  readonly timeoutMs?: number | undefined;
  /** What it reads; nothing when it is left out. At most `STDIN_BYTES`. */
  readonly stdin?: Uint8Array | undefined;
}

/** A job's stdin is sent before it begins, and kept on both sides until then. In bytes. */
export const STDIN_BYTES = 10 * 1024 * 1024;
/** What `list` shows of a command. In characters. */
const SHOWN_COMMAND = 500;

export const newJobId = newId;

interface Asking {
  readonly signal: AbortSignal;
}

/**
 * Starts a job, once; it runs when this returns. Throws `not_found` for a missing directory, `usage` for a command that is too long, `io` where the
 * workspace cannot keep it; none of these began anything. `ssh_failed` with phase `remote`: it may have begun, and `jobStatus`
 * with the id tells.
 */
export async function startJob(target: SshTarget, request: JobRequest, { signal }: Asking): Promise<void> {
  const { id, words, directory, env = [], timeoutMs, stdin } = request;
  if ([...words, ...env].some((word) => word.includes("\0")))
    throw new RuncodeError("usage", "an argument cannot contain a NUL character");
  // A space keeps a shell line that starts with a dash from being an option of the shell.
  const [first = "", ...more] = words;
  const command = more.length === 0 ? [/^[-+]/.test(first) ? ` ${first}` : first] : words;
  const limit = timeoutMs === undefined ? 0 : Math.max(1, Math.ceil(timeoutMs / 1000));
  const text = printable(more.length === 0 ? first : quoteArgv(words));
  const shown = text.length > SHOWN_COMMAND ? `${text.slice(0, SHOWN_COMMAND)}…` : text;
  const sections = await ask(target, {
    script: START,
    parameters: [
      id,
      String(stdin?.length ?? -1),
      SUPERVISE,
      String(limit),
      shown,
      BEGIN,
      String(env.length),
      ...env,
      ...command,
    ],
    signal,
    directory,
    ...(stdin === undefined ? {} : { stdin }),
  });
  if (sections === null) await begun(target, id, signal);
}

/** A server may carry only what a command says before it ends; the supervisor speaks after that. */
const LOOKS = 20;
const BETWEEN_LOOKS_MS = 250;

async function begun(target: SshTarget, id: string, signal: AbortSignal): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    try {
      await jobStatus(target, id, { signal });
      return;
    } catch (error) {
      if (!(error instanceof RuncodeError) || error.code !== "not_found") throw error;
    }
    await Bun.sleep(BETWEEN_LOOKS_MS);
  }
  throw new RuncodeError("ssh_failed", "the workspace did not say that the job began", { phase: "remote" });
}

/** All jobs that the workspace keeps, the newest first. */
export async function listJobs(target: SshTarget, { signal }: Asking): Promise<Job[]> {
  return jobsIn(await ask(target, { script: LIST, parameters: [], signal })).sort(
    (a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0) || (a.id < b.id ? -1 : 1),
  );
}

/** One job, by the beginning of its id. Throws `usage` for what is no id, `not_found`, `ambiguous`. */
export async function jobStatus(target: SshTarget, id: string, { signal }: Asking): Promise<Job> {
  return waitForJob(target, id, { signal, waitMs: 0 });
}

/** As `jobStatus`, and waits on the workspace until the job has ended, for `waitMs` at most: one question of a long poll. */
export async function waitForJob(
  target: SshTarget,
  id: string,
  { signal, waitMs }: Asking & { readonly waitMs: number },
): Promise<Job> {
  const parameters = [checkedPrefix(id), naps(waitMs)];
  return theJob(await ask(target, { script: WAIT, parameters, signal, waitMs: naps.worst(waitMs) }));
}

/** Where to read a stream from: a byte offset, the last so many lines, or null for not at all. */
export type From = number | { readonly lines: number } | null;

export interface LogsRequest extends Asking {
  readonly stdout: From;
  readonly stderr: From;
  /** How long to wait on the workspace for something new, while the job runs; 0 when left out. */
  readonly waitMs?: number;
  /** Of each stream, at most; 1 MiB when left out. */
  readonly maxBytes?: number;
  /** While more is to come, a UTF-8 character is not given in half. */
  readonly wholeCharacters?: boolean;
}

export interface Piece {
  /** Of the first byte. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** To be asked for next. */
  readonly nextOffset: number;
  /** So many bytes before it were asked for and have been let go. */
  readonly skipped: number;
}

export interface Logs {
  /** As it was before the streams were read: one that has ended by then writes no more, but for what it left in the background. */
  readonly job: Job;
  /** Null where it was not asked for. */
  readonly stdout: Piece | null;
  readonly stderr: Piece | null;
  /** There is more already than is given here. */
  readonly more: boolean;
}

/** What one answer gives of each stream where nothing else is asked for. In bytes. */
const PIECE_BYTES = 1024 * 1024;

/** What a job wrote, from somewhere on and without a gap; one question of a long poll. Throws as `jobStatus`. */
export async function jobLogs(target: SshTarget, id: string, request: LogsRequest): Promise<Logs> {
  const { signal, waitMs = 0, maxBytes = PIECE_BYTES, wholeCharacters = false } = request;
  const sections = await ask(target, {
    script: LOGS,
    parameters: [checkedPrefix(id), naps(waitMs), String(maxBytes), fromWord(request.stdout), fromWord(request.stderr)],
    signal,
    waitMs: naps.worst(waitMs),
    most: 2 * maxBytes + 64 * 1024,
  });
  const job = theJob(sections);
  const pieceFor = (name: "stdout" | "stderr"): Piece | null => {
    const asked = request[name];
    if (asked === null) return null;
    const section = sections?.find((each) => each.name === name);
    const offset = whole(section?.detail);
    if (section === undefined || offset === null || section.body.length > maxBytes)
      throw unreadable(`${name} is missing`);
    const toCome = job.state === "running" || offset + section.body.length < job[name].bytes;
    const bytes = wholeCharacters && toCome ? withoutHalf(section.body) : section.body;
    const skipped = typeof asked === "number" ? Math.max(0, offset - asked) : 0;
    return { offset, bytes, nextOffset: offset + bytes.length, skipped };
  };
  const [stdout, stderr] = [pieceFor("stdout"), pieceFor("stderr")];
  const left = (piece: Piece | null, { bytes }: StreamSize): boolean =>
    piece !== null && piece.bytes.length > 0 && piece.nextOffset < bytes;
  return { job, stdout, stderr, more: left(stdout, job.stdout) || left(stderr, job.stderr) };
}

/** Takes bytes; gives them without a UTF-8 character that has begun and not ended at their end. */
export function withoutHalf(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.subarray(0, -back) : bytes;
  }
  return bytes;
}

/** Signals that `killJob` may begin with. */
export const KILL_SIGNALS = ["TERM", "INT", "HUP", "QUIT", "KILL"] as const;

export interface KillRequest extends Asking {
  readonly signalName: (typeof KILL_SIGNALS)[number];
  /** Until KILL. In milliseconds. */
  readonly graceMs: number;
}

/**
 * Ends all processes of a job, those included that it left behind when it ended itself: with the signal, and after the grace for certain.
 * Gives the job as it is then; doing it twice does no harm. Throws as `jobStatus`.
 */
export async function killJob(target: SshTarget, id: string, request: KillRequest): Promise<Job> {
  const { signalName, graceMs, signal } = request;
  const seconds = Math.ceil(graceMs / 1000);
  return theJob(
    await ask(target, {
      script: KILL,
      parameters: [checkedPrefix(id), signalName, String(seconds)],
      signal,
      waitMs: naps.worst(seconds * 1000 + 10_000),
    }),
  );
}

/** Removes jobs that have ended, by the beginnings of their ids, or all of them for `"finished"`; gives what was removed. Throws as `jobStatus`, and `conflict` for one that runs: then none is removed. */
export async function removeJobs(
  target: SshTarget,
  ids: readonly string[] | "finished",
  { signal }: Asking,
): Promise<Job[]> {
  if (ids !== "finished" && ids.length === 0) return [];
  const parameters = ids === "finished" ? [] : ids.map(checkedPrefix);
  return jobsIn(await ask(target, { script: REMOVE, parameters, signal }));
}

/** Takes the beginning of an id; throws `usage` for what cannot be one. */
function checkedPrefix(id: string): string {
  if (/^[0-9a-f]{1,16}$/.test(id)) return id;
  throw new RuncodeError("usage", `${JSON.stringify(printable(id))} is no job id`, {
    hint: "an id is 16 hexadecimal digits, and its beginning is enough; runcode jobs lists them",
  });
}

/** How often the script may look, a fifth of a second apart; a sleep that knows no fractions makes it whole seconds. */
function naps(ms: number): string {
  return String(Math.ceil(ms / 200));
}
naps.worst = (ms: number): number => ms * 5;

function fromWord(from: From): string {
  if (from === null) return "x";
  return typeof from === "number" ? String(from) : `-${from.lines}`;
}

function jobsIn(sections: readonly Section[] | null): Job[] {
  if (sections === null) throw unreadable("it ended early");
  return sections.flatMap(({ name, detail }) => (name === "job" ? (readJob(detail) ?? []) : []));
}

function theJob(sections: readonly Section[] | null): Job {
  const [job] = jobsIn(sections);
  if (job === undefined || !isId(job.id)) throw unreadable("it is about no job");
  return job;
}
