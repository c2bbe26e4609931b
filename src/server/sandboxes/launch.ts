// One process on three pipes (pipes.ts). Where those cannot be had, what child_process makes is used: sockets on Linux, with
// the same back-pressure. Bun.spawn's own read on when nobody reads them (measured: 1 GiB unread cost 586 MB, 1 MB here).
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { Readable, Writable } from "node:stream";
import type { ProcessExit, SandboxProcess } from "./driver.ts";
import { openPipes } from "./pipes.ts";
import { errno } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** The standard streams of a process, as they are numbered here. */
export type Descriptors = readonly number[];

/** What is started, on this machine, by the server's own user. */
export interface Launch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Whose its standard streams are, where that is not the server's own user: only their owner can open them by name. */
  readonly owner?: number | null;
  /** Standard streams that are somebody else's; they stay the caller's to close, and what is launched has none of its own. */
  readonly streams?: Descriptors | undefined;
  /** Takes the pid of what was spawned; gives the process group that signals are for, 0 when there is none (any more). */
  readonly group: (pid: number) => number;
  /** Told the pid at once, before the process can have done anything that matters. */
  readonly started?: (pid: number) => void;
  /** Told the pid when it ended. */
  readonly ended?: (pid: number) => void;
}

/** Starts a process in a session of its own on three pipes. Throws RuncodeError `io` when it cannot be started. */
export async function launch(what: Launch): Promise<SandboxProcess> {
  const [program = "", ...args] = what.argv;
  const pipes = what.streams ? null : openPipes(what.owner);
  let child: ChildProcess;
  try {
    const theirs = what.streams ?? pipes?.theirs;
    const stdio = theirs ? [...theirs] : "pipe";
    child = spawn(program, args, { cwd: what.cwd, env: { ...what.env }, detached: true, stdio });
  } catch (error) {
    for (const stream of pipes?.ours ?? []) stream.destroy();
    throw cannotStart(error);
  } finally {
    pipes?.handedOver();
  }
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve(exitOf(code, signal)));
  });
  const streams = what.streams
    ? noStreams()
    : (pipes?.ours ?? ([child.stdin, child.stdout, child.stderr] as [Writable, Readable, Readable]));
  const [stdin, stdout, stderr] = streams;
  // A process may close its stdin while the other side still writes; that is its right and no error of ours.
  stdin.on("error", () => {});
  try {
    await spawned(child);
  } catch (error) {
    for (const stream of streams) stream.destroy();
    throw cannotStart(error);
  }
  const pid = child.pid ?? 0;
  what.started?.(pid);
  let running = true;
  void exited.then(() => {
    running = false;
    stdin.destroy();
    what.ended?.(pid);
  });
  return {
    stdin,
    stdinKeepsNothing: pipes !== null,
    stdout,
    stderr,
    exited,
    resize: () => {},
    signal: (name) => {
      if (running) signalGroup(what.group(pid), name);
    },
    kill: () => {
      if (running) {
        signalGroup(what.group(pid), "KILL");
        signalGroup(pid, "KILL");
      }
      for (const stream of streams) stream.destroy();
    },
  };
}

/** Takes what Node or Bun tell of an ended process; gives it in the words of RFC 4254 §6.10. */
export function exitOf(code: number | null, signal: string | null): ProcessExit {
  if (signal !== null) return { signal: signal.replace(/^SIG/, ""), coreDumped: false };
  return { code: code ?? 255 };
}

/** Sends a signal to a process group; a group that is gone and a name that is none are both no error. */
export function signalGroup(group: number, name: string): void {
  const signal = `SIG${name}`;
  if (group <= 1 || !Object.hasOwn(constants.signals, signal)) return;
  try {
    process.kill(-group, signal as NodeJS.Signals);
  } catch (error) {
    if (errno(error) !== "ESRCH" && errno(error) !== "EPERM") throw error;
  }
}

/** Streams that take everything and give nothing. */
export function noStreams(): [Writable, Readable, Readable] {
  return [new Writable({ write: (_chunk, _encoding, done) => done() }), Readable.from([]), Readable.from([])];
}

async function spawned(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

function cannotStart(error: unknown): RuncodeError {
  const why = errno(error) ?? (error instanceof Error ? error.message : String(error));
  return new RuncodeError("io", `cannot start a process: ${why}`, { cause: error });
}
