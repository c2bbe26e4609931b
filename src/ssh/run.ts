// One remote command over the master, from its first byte to its end, signals and time limits included.
import { RuncodeError } from "../protocol/errors.ts";
import { notRunMarker, readNotRun } from "../protocol/not-run.ts";
import { SessionChannel, type OutputSink, type RemoteExit } from "./channel.ts";
import { newId } from "./id.ts";
import { endingLine, missingDirectoryMarker, remoteLine, type RemoteCommand } from "./remote-command.ts";
import type { SshTarget } from "./target.ts";

/** How a command ended that was seen to end. */
export type CommandExit = Exclude<RemoteExit, { kind: "lost" }>;

export interface RunRequest extends Omit<RemoteCommand, "id" | "parent"> {
  /** Null gives the command end-of-file at once. */
  readonly stdin: AsyncIterable<Uint8Array | string> | null;
  readonly output: OutputSink;
  /** What ends the command from here, and the signal (without SIG) that it deserves. */
  readonly stop: { readonly signal: AbortSignal; readonly hurry?: AbortSignal };
  readonly timeoutMs?: number | undefined;
}

/** How long a command may take to end after a polite signal, before it is killed. In milliseconds. */
export const GRACE_MS = 5000;
/** How long the far side has to say that it delivered a signal, and a killed command to be gone. In milliseconds. */
const ANSWER_MS = 1000;
/** The marker of a missing directory can only be among the first things said. In bytes. */
const MARKER_WITHIN = 64 * 1024;

/**
 * Sends the command once, carries its streams, and gives how it ended. Throws NotStarted when it provably was not sent;
 * RuncodeError `ssh_failed` (phase `remote`: it may have begun), `not_found` for a missing directory, `timeout`; and the
 * reason of `stop.signal` when that was aborted, after the command was ended.
 */
export async function runRemote(target: SshTarget, request: RunRequest): Promise<CommandExit> {
  const { stop, timeoutMs } = request;
  const id = newId();
  const watch = watchForMarker(request.output, missingDirectoryMarker(id), notRunMarker(id));
  const limit = new AbortController();
  const startLimit = (): ReturnType<typeof setTimeout> | undefined =>
    timeoutMs === undefined ? undefined : setTimeout(() => limit.abort(tookTooLong(timeoutMs)), timeoutMs);
  const ended = AbortSignal.any([stop.signal, limit.signal]);
  const carried: Carried = { id, ended, startLimit, output: watch.output };
  const { controlPath } = target;
  const exit = await (controlPath === null
    ? withoutMaster(target, request, carried)
    : overMaster(controlPath, request, carried));
  if (ended.aborted) throw ended.reason;
  const refusal = watch.refusal();
  if (refusal !== null && exit.kind === "code" && exit.code === 255) throw notRun(refusal);
  if (watch.seen() && (exit.kind === "lost" || (exit.kind === "code" && exit.code === 255))) throw noDirectory(request);
  if (exit.kind !== "lost") return exit;
  throw new RuncodeError("ssh_failed", "the connection was lost while the command ran; it may have done its work", {
    phase: "remote",
    hint: "look before you run it again: it was sent once and is not sent again",
  });
}

interface Carried {
  readonly id: string;
  readonly ended: AbortSignal;
  readonly output: OutputSink;
  startLimit(): ReturnType<typeof setTimeout> | undefined;
}

async function withoutMaster(target: SshTarget, request: RunRequest, carried: Carried): Promise<RemoteExit> {
  const { runByClient } = await import("./by-client.ts");
  const line = remoteLine({ ...request, id: carried.id, parent: true });
  const timer = carried.startLimit();
  try {
    return await runByClient(target, { ...carried, line, stdin: request.stdin !== null, graceMs: GRACE_MS });
  } finally {
    clearTimeout(timer);
  }
}

async function overMaster(controlPath: string, request: RunRequest, carried: Carried): Promise<RemoteExit> {
  const { stdin, stop } = request;
  const { id, ended } = carried;
  const line = remoteLine({ ...request, id });
  const input = new Feed(stdin);
  const channel = await SessionChannel.open(
    controlPath,
    { output: carried.output, drain: () => input.drain(), deaf: () => input.stop() },
    { signal: stop.signal },
  );
  const taken = channel.exec(line);
  void input.carry(channel);
  const timer = carried.startLimit();
  try {
    const exit = await Promise.race([channel.closed, aborted(ended)]);
    if (exit === "aborted") {
      const politely = (ended.reason as { code?: string }).code === "interrupted" ? "INT" : "TERM";
      await endRemote(channel, controlPath, id, politely, stop.hurry);
      return { kind: "lost" };
    }
    if (exit.kind === "lost" && (await taken) === "no") {
      throw new RuncodeError("ssh_failed", "the workspace refused to run a command", { phase: "connect" });
    }
    return exit;
  } finally {
    clearTimeout(timer);
    input.stop();
    await channel.release();
  }
}

function tookTooLong(ms: number): RuncodeError {
  return new RuncodeError("timeout", `the command took longer than ${ms / 1000} s and was ended`, { phase: "remote" });
}

/** Signals that RFC 4254 §6.10 names, by their numbers on Linux; a command that one of them ended exits 128+n. */
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  XCPU: 24,
  XFSZ: 25,
  SYS: 31,
};

/** Takes how a command ended; gives the exit code of a shell that had run it. sshd keeps the name of rare signals to itself: 128. */
export function exitCodeOf(exit: CommandExit): number {
  return exit.kind === "code" ? exit.code : 128 + (SIGNAL_NUMBERS[exit.signal] ?? 0);
}

function noDirectory({ directory, base }: RunRequest): RuncodeError {
  const where = directory?.startsWith("/") || directory?.startsWith("~") ? directory : `${base}/${directory}`;
  return new RuncodeError("not_found", `the workspace has no directory ${where}; the command was not run`, {
    hint: "make it first, or say another one with --cwd, or use --home",
  });
}

function notRun(refusal: string): RuncodeError {
  const { code, reason } = readNotRun(refusal.slice(refusal.indexOf(" ") + 1));
  return new RuncodeError(code ?? "ssh_failed", `the command was not run: ${reason || "the gateway gave no reason"}`, {
    phase: "connect",
    hint: code === "conflict" ? "run: runcode start <workspace>" : undefined,
  });
}

/** Carries stdin to a channel as fast as the command reads it, until its end or `stop`. */
class Feed {
  readonly #stdin: RunRequest["stdin"];
  #stopped = false;
  #room = Promise.withResolvers<void>();

  constructor(stdin: RunRequest["stdin"]) {
    this.#stdin = stdin;
  }

  async carry(channel: SessionChannel): Promise<void> {
    try {
      for await (const chunk of this.#stdin ?? []) {
        if (this.#stopped) return;
        this.#room = Promise.withResolvers();
        if (!channel.write(typeof chunk === "string" ? Buffer.from(chunk) : chunk)) await this.#room.promise;
        if (this.#stopped) return;
      }
    } catch {
      // An input that cannot be read any further ends here.
    }
    channel.end();
  }

  drain(): void {
    this.#room.resolve();
  }

  stop(): void {
    this.#stopped = true;
    this.#room.resolve();
  }
}

/**
 * Takes the missing directory's marker out of stderr and remembers that it was there; from the gateway's own marker on, which
 * can only stand at the very beginning, stderr is its reason for not running the command and not the command's.
 */
function watchForMarker(
  output: OutputSink,
  marker: string,
  refusalMarker: string,
): { output: OutputSink; seen: () => boolean; refusal: () => string | null } {
  let looked = 0;
  let seen = false;
  let refusal: string | null = null;
  return {
    seen: () => seen,
    refusal: () => refusal,
    output: (stream, bytes, done) => {
      if (stream === "stderr" && looked === 0 && Buffer.from(bytes).toString("latin1").startsWith(refusalMarker))
        refusal = "";
      if (stream === "stderr" && refusal !== null) {
        looked += bytes.length;
        refusal = (refusal + Buffer.from(bytes).toString("utf8")).slice(0, MARKER_WITHIN);
        return done();
      }
      if (stream === "stderr" && !seen && looked < MARKER_WITHIN) {
        looked += bytes.length;
        const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(marker);
        if (at >= 0) {
          seen = true;
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + marker.length)]);
        }
      }
      output(stream, bytes, done);
    },
  };
}

/**
 * Ends the remote command: politely, and for certain after the grace or as soon as `hurry` is aborted. The server's own
 * signal delivery is asked first; where it refuses (OpenSSH's sshd for root and forced commands), a second command finds
 * the processes. What left its process group is killed by that one as well.
 */
async function endRemote(
  channel: SessionChannel,
  controlPath: string,
  id: string,
  politely: string,
  hurry: AbortSignal | undefined,
): Promise<void> {
  const delivered = await Promise.race([channel.signal(politely), Bun.sleep(ANSWER_MS).then(() => true)]);
  if (!delivered) await command(controlPath, endingLine(id, politely));
  const gone = channel.closed.then(() => "gone" as const);
  const waits = [gone, Bun.sleep(GRACE_MS), ...(hurry ? [aborted(hurry)] : [])];
  if ((await Promise.race(waits)) === "gone") return;
  void channel.signal("KILL");
  await command(controlPath, endingLine(id, null));
  await Promise.race([gone, Bun.sleep(ANSWER_MS)]);
}

/** Runs a command of our own on the same master; it is bounded in time and may fail in silence. */
async function command(controlPath: string, line: string): Promise<void> {
  const handlers = { output: (_: string, __: Uint8Array, done: () => void) => done(), drain: () => {}, deaf: () => {} };
  const channel = await SessionChannel.open(controlPath, handlers, { timeoutMs: ANSWER_MS }).catch(() => null);
  if (channel === null) return;
  void channel.exec(line);
  channel.end();
  await Promise.race([channel.closed, Bun.sleep(ANSWER_MS)]);
  await channel.release();
}

function aborted(signal: AbortSignal): Promise<"aborted"> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve("aborted");
    else signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
}
