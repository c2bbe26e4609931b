// A process on the workspace, as this machine's ssh stands in for it: bytes in, bytes out, what was said on stderr, how it
// ended. For the scripts that this program itself sends; a person's own commands are run by src/ssh/run.ts.
import type { FileSink, Subprocess } from "bun";
import { RuncodeError } from "../protocol/errors.ts";
import { notRunMarker } from "../protocol/not-run.ts";
import { newId } from "./id.ts";
import { sshArgv } from "./master.ts";
import { askMaster } from "./mux.ts";
import { quoteArgv } from "./quote.ts";
import { forAnyShell } from "../protocol/shell-line.ts";
import { refusalError } from "./refusal.ts";
import type { SshTarget } from "./target.ts";

/** How it was when ssh had ended. */
export interface RemoteEnd {
  /** ssh's exit code; null where a signal ended it. */
  readonly code: number | null;
  /** The last 16 KiB that came on stderr. */
  readonly stderr: string;
  /** Where the gateway did not begin the script: its word for that, from its marker on. */
  readonly refusal: string | null;
}

export interface RemoteProcess {
  /** Takes bytes, which may be used again once it resolves. False when nobody reads them any more. */
  write(chunk: Uint8Array): Promise<boolean>;
  /** The end of stdin; the process may go on. */
  end(): Promise<void>;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly ended: Promise<RemoteEnd>;
  /** Ends ssh here, by which the channel closes and the script sees the end of its stdin. */
  kill(): void;
}

/** stderr beyond this is not kept, in bytes; the reason stands at its end. */
const KEPT_STDERR = 16 * 1024;

/**
 * Asks the gateway to begin a script that does nothing. Throws its refusal, with `what` before the reason; not that the key may
 * run no command, which says nothing about whether the workspace runs.
 */
export async function mustRun(target: SshTarget, what: string, signal: AbortSignal): Promise<void> {
  const { refusal } = await spawnScript(target, ":", [], { stdin: false, signal }).ended;
  signal.throwIfAborted();
  if (refusal === null) return;
  const error = refusalError(what, refusal);
  if (error.code !== "forbidden") throw error;
}

export interface ScriptStreams {
  /** What it reads: what `write` is given, nothing, or an open file, which ssh then reads itself from where that stands. */
  readonly stdin: boolean | number;
  /** An open file that ssh writes itself; without it, what `stdout` gives. */
  readonly stdout?: number;
  readonly signal: AbortSignal;
}

/**
 * Starts a POSIX shell script with its parameters ($1…) over the session's master. The signal ends it. Throws RuncodeError `ssh_missing`.
 */
export function spawnScript(
  target: SshTarget,
  script: string,
  parameters: readonly string[],
  { stdin, stdout, signal }: ScriptStreams,
): RemoteProcess {
  signal.throwIfAborted();
  const id = newId();
  const line = forAnyShell(`RUNCODE_EXEC_ID=${id}; set -- ${quoteArgv(parameters)}\n${script}`);
  const argv = sshArgv(target, ["-T", ...(stdin === false ? ["-n"] : [])], line);
  const child = start(argv, stdin === true ? "pipe" : stdin === false ? "ignore" : stdin, stdout ?? "pipe");
  let killed = false;
  const kill = (): void => {
    killed = true;
    child.kill("SIGTERM");
  };
  signal.addEventListener("abort", kill, { once: true });
  const stderr = tail(child.stderr);
  const sink = stdin === true ? (child.stdin as FileSink) : undefined;
  return {
    stdout: stdout === undefined ? bounded(child.stdout as ReadableStream<Uint8Array<ArrayBuffer>>) : none(),
    ended: (async () => {
      await child.exited;
      signal.removeEventListener("abort", kill);
      // A master notes that its client has gone when it has sent what there is to send, and then waits (OpenSSH 9.2, where the far
      // side is not OpenSSH too): the end of the script's stdin would go out with the next keep-alive. A question wakes it.
      if (killed && target.controlPath !== null) await askMaster(target.controlPath, "alive");
      const said = await stderr;
      return { code: child.exitCode, stderr: said, refusal: said.startsWith(notRunMarker(id)) ? said : null };
    })(),
    async write(chunk) {
      try {
        // write() only queues; flush() resolves when the pipe has taken it, which is all the back-pressure there is.
        await sink?.write(chunk);
        await sink?.flush();
        return child.exitCode === null && child.signalCode === null;
      } catch {
        return false;
      }
    },
    async end() {
      try {
        await sink?.end();
      } catch {
        // The script has ended already; its exit code says why.
      }
    },
    kill,
  };
}

type Child = Subprocess<"pipe" | "ignore" | number, "pipe" | number, "pipe">;

function start(argv: string[], stdin: "pipe" | "ignore" | number, stdout: "pipe" | number): Child {
  try {
    return Bun.spawn(argv, { stdin, stdout, stderr: "pipe" });
  } catch (cause) {
    throw new RuncodeError("ssh_missing", "there is no ssh on the PATH", {
      hint: "install the OpenSSH client (Debian: apt install openssh-client)",
      cause,
    });
  }
}

/** After this many bytes what has been read is collected, so that a gigabyte does not pile up as garbage first. */
const COLLECT_EVERY = 16 * 1024 * 1024;

async function* bounded(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let since = 0;
  for await (const chunk of stream) {
    yield chunk;
    since += chunk.length;
    if (since < COLLECT_EVERY) continue;
    since = 0;
    Bun.gc(true);
  }
}

async function tail(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) kept = Buffer.concat([kept, chunk]).subarray(-KEPT_STDERR);
  return kept.toString("utf8");
}

async function* none(): AsyncGenerator<Uint8Array, void> {}
