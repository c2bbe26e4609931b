// Jobs as the commands use them: with a session that is made good, and asked again where the connection was lost in between.
// A question about a job changes nothing that a second one would not (src/ssh/jobs), so that following one survives a gateway that is
// started anew and a laptop that slept.
import type { Clock } from "../platform/clock.ts";
import { bytesOf, type Input, type Streams } from "../platform/streams.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { JobDocument } from "../protocol/output/job.ts";
import type { LogsDocument } from "../protocol/output/jobs-logs.ts";
import {
  jobLogs,
  jobStatus,
  newJobId,
  startJob,
  STDIN_BYTES,
  waitForJob,
  type From,
  type Job,
  type Logs,
  type Piece,
} from "../ssh/jobs/index.ts";
import { mustMayExec, type Command } from "./command.ts";
import { onGoodSession } from "./made-good.ts";
import type { Session, Sessions } from "./session.ts";

/** A command's context is one of these. */
export interface JobDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  sessions(): Promise<Sessions>;
}

export interface Patience {
  /** For how long in a row the connection may stay lost. In milliseconds. */
  readonly forMs: number;
  /** Told once for each time that it is lost. */
  readonly onLost?: (error: RuncodeError) => void;
  /** It answered before: a workspace that does not run may then be one that comes back with its server. */
  readonly known?: boolean;
}

/** For a question that a person waits for; in milliseconds, as those that follow. */
const BRIEF: Patience = { forMs: 3000 };
/** For the look whether a job began whose beginning was not heard of. */
const ANXIOUS: Patience = { forMs: 15_000 };
/** A server that comes back takes this long to bring back its workspaces, and says so long that they do not run. */
const COMING_BACK_MS = 15_000;
/** For one that may wait for hours anyway. */
export const LONG_MS = 5 * 60_000;

/** The patience of what follows a job: long, and it says so. */
export function patiently({ out }: { readonly out: { note(line: string): void } }): Patience {
  return { forMs: LONG_MS, onLost: (error) => out.note(`the connection was lost, trying again: ${error.message}`) };
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/** How long one question waits on the workspace; a connection that is dead shows no later than that. In milliseconds. */
const POLL_MS = 20_000;
/** A job that writes little but often is asked not more often than this. In milliseconds. */
const BREATH_MS = 200;
const LITTLE_BYTES = 32 * 1024;

/**
 * Calls `work` with a session that is good, and again with a mended one while the connection is lost, as long as `patience` lasts.
 * `work` must be such that asking twice does no harm. Throws what `work` throws, `forbidden`, and in the end what was in the way.
 */
export async function askJobs<T>(
  deps: JobDeps,
  session: Session,
  work: (session: Session) => Promise<T>,
  { forMs, onLost, known = false }: Patience = BRIEF,
): Promise<T> {
  mustMayExec(session);
  const { clock, signal } = deps;
  const sessions = await deps.sessions();
  let lostAt: number | null = null;
  let refusedAt: number | null = null;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      const current =
        lostAt === null && refusedAt === null
          ? session
          : (await sessions.ensure(session.workspaceId, { signal })).session;
      return await onGoodSession(sessions, current, work, signal);
    } catch (error) {
      const after = clock.now() + pause;
      if ((known || lostAt !== null) && notRunning(error)) {
        refusedAt ??= clock.now();
        if (after - refusedAt > COMING_BACK_MS) throw error;
      } else {
        if (!mayPass(error)) throw error;
        if (lostAt === null) onLost?.(error);
        lostAt ??= clock.now();
        if (after - lostAt > forMs) throw error;
      }
    }
    await clock.sleep(pause, signal);
  }
}

function mayPass(error: unknown): error is RuncodeError {
  if (!(error instanceof RuncodeError)) return false;
  return ["network", "unavailable", "rate_limited"].includes(error.code) || lost(error);
}

function notRunning(error: unknown): boolean {
  return error instanceof RuncodeError && ["conflict", "not_ready"].includes(error.code) && error.phase === "connect";
}

/** The connection went away, not the workspace's understanding. */
function lost({ code, phase }: RuncodeError): boolean {
  return code === "ssh_failed" && phase !== undefined;
}

/**
 * Starts a command as a job, once, and gives its id; `input` is read to its end beforehand and becomes what the job reads. Throws `usage` where
 * that is more than STDIN_BYTES. Where the connection is lost meanwhile it is looked for; if that cannot be done
 * either, throws `ssh_failed` with phase `remote` and the id. Else throws what `startJob`, minting and the opening of a master throw.
 */
export async function detach(deps: JobDeps, session: Session, command: Command, input: Input | null): Promise<string> {
  mustMayExec(session);
  const { signal } = deps;
  const stdin = input === null ? undefined : await wholeOf(input, signal);
  const id = newJobId();
  const request = { id, ...command, stdin };
  try {
    await onGoodSession(await deps.sessions(), session, (good) => startJob(good, request, { signal }), signal);
    return id;
  } catch (error) {
    if (!(error instanceof RuncodeError)) throw error;
    if (!signal.aborted && !(lost(error) && error.phase === "remote")) throw error;
    if (!signal.aborted && (await isThere(deps, session, id))) return id;
    throw new RuncodeError(error.code, `${error.message}; the job would be ${id}`, {
      phase: "remote",
      jobId: id,
      hint: `runcode jobs logs ${id} tells whether it began; it is not started again`,
      cause: error,
    });
  }
}

async function wholeOf(input: Input, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bytesOf(input, signal)) {
    parts.push(part);
    size += part.length;
    if (size > STDIN_BYTES) break;
  }
  if (size <= STDIN_BYTES) return Buffer.concat(parts);
  throw new RuncodeError("usage", `standard input of a job is ${STDIN_BYTES / 1024 / 1024} MiB at most`, {
    hint: "put it on the workspace with runcode put, and let the command read it from there",
  });
}

async function isThere(deps: JobDeps, session: Session, id: string): Promise<boolean> {
  return askJobs(deps, session, (good) => jobStatus(good, id, deps), ANXIOUS).then(
    () => true,
    () => false,
  );
}

/** Where to begin, and how far to go. */
export interface Following {
  readonly stdout: From;
  readonly stderr: From;
  /** Until the job has ended; else until all is read that there was at first. */
  readonly follow: boolean;
  /** As `LogsRequest` has it. */
  readonly wholeCharacters?: boolean;
}

/** Gives what a job wrote and writes, piece by piece; then the job. Throws as `askJobs` and `jobLogs`. */
export async function* followJob(
  deps: JobDeps,
  session: Session,
  id: string,
  { stdout, stderr, follow, wholeCharacters = false }: Following,
  patience: Patience,
): AsyncGenerator<Logs, Job> {
  let until: Job | null = null;
  for (;;) {
    const request = { stdout, stderr, wholeCharacters, signal: deps.signal, waitMs: follow ? POLL_MS : 0 };
    const known: boolean = until !== null;
    const logs: Logs = await askJobs(deps, session, (good) => jobLogs(good, id, request), { ...patience, known });
    yield logs;
    stdout = logs.stdout?.nextOffset ?? null;
    stderr = logs.stderr?.nextOffset ?? null;
    until ??= logs.job;
    if (!follow && (stdout ?? 0) >= until.stdout.bytes && (stderr ?? 0) >= until.stderr.bytes) return logs.job;
    if (logs.more) continue;
    if (!follow || logs.job.state !== "running") return logs.job;
    const bytes = (logs.stdout?.bytes.length ?? 0) + (logs.stderr?.bytes.length ?? 0);
    if (bytes < LITTLE_BYTES) await deps.clock.sleep(BREATH_MS, deps.signal);
  }
}

/** Waits until a job has ended, for `timeoutMs` at most where that is given. Throws `timeout`, and as `askJobs` and `waitForJob`. */
export async function waitJob(
  deps: JobDeps,
  session: Session,
  id: string,
  { timeoutMs, patience }: { readonly timeoutMs: number | undefined; readonly patience: Patience },
): Promise<Job> {
  const { clock, signal } = deps;
  const deadline = timeoutMs === undefined ? null : clock.now() + timeoutMs;
  for (let known = false; ; known = true) {
    const left = deadline === null ? POLL_MS : Math.max(0, deadline - clock.now());
    const waitMs = Math.min(left, POLL_MS);
    const job = await askJobs(deps, session, (good) => waitForJob(good, id, { signal, waitMs }), {
      ...patience,
      known,
    });
    if (job.state !== "running") return job;
    if (deadline !== null && clock.now() >= deadline) throw stillRunning(job.id, timeoutMs as number);
  }
}

/** The error of a wait that was longer than it may be. */
export function stillRunning(id: string, timeoutMs: number): RuncodeError {
  return new RuncodeError("timeout", `the job ${id} is still running after ${timeoutMs / 1000} s`, {
    hint: `runcode jobs wait ${id} waits on; runcode jobs logs ${id} shows what it does`,
  });
}

/** Writes what a job wrote to the person's streams; resolves when there is room for more. */
export async function passLogs(streams: Streams, logs: Logs): Promise<void> {
  for (const name of ["stdout", "stderr"] as const) {
    const bytes = logs[name]?.bytes;
    if (bytes === undefined || bytes.length === 0) continue;
    await new Promise<void>((resolve, reject) => {
      streams[name].write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** Gives the object for `--json`: the job's own, and what was read of its streams; `more` where there is more to come or to read. */
export function describeLogs(logs: Logs, session: Session): LogsDocument {
  const { job, stdout, stderr } = logs;
  const text = (piece: Piece | null): string | null =>
    piece === null ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(piece.bytes);
  return {
    ...describeJob(job, session),
    stdout: text(stdout),
    stderr: text(stderr),
    stdout_offset: stdout?.offset ?? null,
    stderr_offset: stderr?.offset ?? null,
    next_offset: `${stdout?.nextOffset ?? 0},${stderr?.nextOffset ?? 0}`,
    more: logs.more || job.state === "running",
  };
}

/** Gives the object for `--json`. */
export function describeJob(job: Job, session: Session): JobDocument {
  const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    job_id: job.id,
    workspace_id: session.workspaceId,
    state: job.state,
    exit_code: job.exitCode,
    ended_by: job.endedBy,
    command: job.command,
    cwd: job.directory,
    started_at: time(job.startedAt),
    ended_at: time(job.endedAt),
    timeout_s: job.timeoutMs === null ? null : job.timeoutMs / 1000,
    stdout_bytes: job.stdout.bytes,
    stderr_bytes: job.stderr.bytes,
    stdout_truncated: job.stdout.truncated,
    stderr_truncated: job.stderr.truncated,
  };
}
