// A command on a session as `exec` and `ssh` give it to the person: streamed, or captured for --json.
import type { Streams } from "../platform/streams.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { ExecDocument } from "../protocol/output/exec.ts";
import type { OutputSink } from "../ssh/channel.ts";
import { exitCodeOf, runRemote, type CommandExit, type RunRequest } from "../ssh/run.ts";
import { onGoodSession } from "./made-good.ts";
import type { Session, Sessions } from "./session.ts";

/** A command's context is one of these. */
export interface CommandDeps {
  readonly streams: Streams;
  readonly flags: { readonly json: boolean };
  readonly signal: AbortSignal;
  drains(onSecond?: () => void): void;
  sessions(): Promise<Sessions>;
}

export type Command = Pick<RunRequest, "words" | "directory" | "base" | "env" | "timeoutMs">;

/** What --json keeps of each stream; the rest is read and dropped. In bytes. */
const KEPT_BYTES = 10 * 1024 * 1024;

/**
 * Runs the command once. Its input is ours, unless that is a terminal and `insist` is false. Gives the exit code, and under
 * --json the document. Throws what `runRemote`, minting and the opening of a master throw.
 */
export async function runCommand(
  deps: CommandDeps,
  session: Session,
  command: Command,
  insist = false,
): Promise<{ exit: number; json?: ExecDocument }> {
  const hurry = new AbortController();
  deps.drains(() => hurry.abort());
  const { stdin } = deps.streams;
  const request = {
    ...command,
    stdin: insist || stdin.isTTY !== true ? stdin : null,
    stop: { signal: deps.signal, hurry: hurry.signal },
  };
  const sessions = await deps.sessions();
  const run = (output: OutputSink): Promise<CommandExit> => runOn(sessions, session, { ...request, output });

  if (!deps.flags.json) return { exit: exitCodeOf(await run(passOn(deps.streams))) };
  const started = performance.now();
  const stdout = new Capture();
  const stderr = new Capture();
  const exit = await run((stream, bytes, done) => {
    (stream === "stdout" ? stdout : stderr).add(bytes);
    done();
  });
  return {
    exit: exitCodeOf(exit),
    json: {
      exit_code: exitCodeOf(exit),
      ...(exit.kind === "signal" ? { signal: exit.signal } : {}),
      stdout: stdout.text(),
      stderr: stderr.text(),
      stdout_truncated: stdout.truncated,
      stderr_truncated: stderr.truncated,
      duration_ms: Math.round(performance.now() - started),
      workspace_id: session.workspaceId,
    },
  };
}

/** Runs it once on a session that is made good first. Throws `forbidden`, and what `runRemote`, minting and the opening of a master throw. */
export async function runOn(sessions: Sessions, session: Session, request: RunRequest): Promise<CommandExit> {
  mustMayExec(session);
  return onGoodSession(sessions, session, (good) => runRemote(good, request), request.stop.signal);
}

/** Throws `forbidden` where the session was not given commands. */
export function mustMayExec({ capabilities }: Session): void {
  if (capabilities === null || capabilities.includes("exec")) return;
  throw new RuncodeError("forbidden", "this session may not run commands on the workspace");
}

function passOn(streams: Streams): OutputSink {
  return (stream, bytes, done) => void streams[stream].write(bytes, () => done());
}

/** The head of a stream, as text. */
export class Capture {
  truncated = false;
  readonly #most: number;
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  constructor(most = KEPT_BYTES) {
    this.#most = most;
  }

  add(bytes: Uint8Array): void {
    const room = this.#most - this.#length;
    if (bytes.length > room) this.truncated = true;
    if (room === 0) return;
    const kept = bytes.subarray(0, room);
    this.#parts.push(kept);
    this.#length += kept.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Bytes that are no UTF-8 are shown as U+FFFD; a character that the limit cut in two is left out. */
  text(): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes(), { stream: this.truncated });
  }
}
