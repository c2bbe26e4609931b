// One process on three streams. Node's child_process is used and not Bun.spawn: a stream that nobody reads stops the
// child after 64 KiB here, while Bun.spawn's own pipes read on (measured: 1 GiB unread cost 586 MB there, 1 MB here).
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { ProcessExit, SandboxProcess } from "./driver.ts";
import { errno } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** What is started, on this machine, by the server's own user. */
export interface Launch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Takes the pid of what was spawned; gives the process group that signals are for, 0 when there is none (any more). */
  readonly group: (pid: number) => number;
  /** Told the pid at once, before the process can have done anything that matters. */
  readonly started?: (pid: number) => void;
  /** Told the pid when it ended. */
  readonly ended?: (pid: number) => void;
}

/** Starts a process in a session of its own with pipes. Throws RuncodeError `io` when it cannot be started. */
export async function launch(what: Launch): Promise<SandboxProcess> {
  const [program = "", ...args] = what.argv;
  const child = spawn(program, args, { cwd: what.cwd, env: { ...what.env }, detached: true, stdio: "pipe" });
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve(exitOf(code, signal)));
  });
  await spawned(child);
  const pid = child.pid ?? 0;
  what.started?.(pid);
  // A process may close its stdin while the other side still writes; that is its right and no error of ours.
  child.stdin.on("error", () => {});
  let running = true;
  void exited.then(() => {
    running = false;
    what.ended?.(pid);
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
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
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
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

async function spawned(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) =>
      reject(new RuncodeError("io", `cannot start a process: ${errno(error) ?? error.message}`, { cause: error })),
    );
  });
}
