// A process on the workspace, as this machine's ssh stands in for it: bytes in, bytes out, what was said on stderr, how it
// ended. For the scripts that this program itself sends; a person's own commands are run by src/ssh/run.ts.
import type { FileSink, Subprocess } from "bun";
import { RuncodeError } from "../protocol/errors.ts";
import { sshArgv } from "./master.ts";
import { quoteArgv } from "./quote.ts";
import { forAnyShell } from "../protocol/shell-line.ts";
import type { SshTarget } from "./target.ts";

export interface RemoteProcess {
  /** Takes bytes, which may be used again once it resolves. False when nobody reads them any more. */
  write(chunk: Uint8Array): Promise<boolean>;
  /** The end of stdin; the process may go on. */
  end(): Promise<void>;
  readonly stdout: AsyncIterable<Uint8Array>;
  /** When ssh has ended: its exit code (null where a signal ended it) and the last 16 KiB that came on stderr. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
  /** Ends ssh here, by which the channel closes and the script sees the end of its stdin. */
  kill(): void;
}

/** stderr beyond this is not kept, in bytes; the reason stands at its end. */
const KEPT_STDERR = 16 * 1024;

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
  const line = forAnyShell(`set -- ${quoteArgv(parameters)}\n${script}`);
  const argv = sshArgv(target, ["-T", ...(stdin === false ? ["-n"] : [])], line);
  const child = start(argv, stdin === true ? "pipe" : stdin === false ? "ignore" : stdin, stdout ?? "pipe");
  const kill = (): void => child.kill("SIGTERM");
  signal.addEventListener("abort", kill, { once: true });
  const stderr = tail(child.stderr);
  const sink = stdin === true ? (child.stdin as FileSink) : undefined;
  return {
    stdout: stdout === undefined ? bounded(child.stdout as ReadableStream<Uint8Array<ArrayBuffer>>) : none(),
    ended: (async () => {
      await child.exited;
      signal.removeEventListener("abort", kill);
      return { code: child.exitCode, stderr: await stderr };
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
