// A session's master: the one connection that everything else rides. Opening it makes the session good before a command is
// sent, so that a command which may have begun is never the one that finds out that the key has expired.
import { lstat, unlink } from "node:fs/promises";
import path from "node:path";
import { errno, withLock } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { classifyFailure } from "./failure.ts";
import { askMaster } from "./mux.ts";
import type { SshTarget } from "./target.ts";

/**
 * The argv that runs the system's ssh for a session: `ssh -F <config> [options] <alias> [command]`. `command` is a shell
 * line for the remote side and must have passed src/ssh/quote.ts.
 */
export function sshArgv(
  target: Pick<SshTarget, "config" | "alias">,
  options: readonly string[] = [],
  command?: string,
): string[] {
  return ["ssh", "-F", target.config, ...options, target.alias, ...(command === undefined ? [] : [command])];
}

/** Whether the session's master lives and answers. About a millisecond; no ssh is started. */
export async function masterAlive(target: Pick<SshTarget, "controlPath">): Promise<boolean> {
  return target.controlPath !== null && (await askMaster(target.controlPath, "alive"));
}

/**
 * Opens the session's master unless it lives already, and returns once it has authenticated. Where there is no ControlMaster
 * (Windows) it connects and authenticates once all the same, so that the answer is worth as much. Throws RuncodeError
 * `ssh_missing`, `host_key_mismatch`, `unauthorized` (the key was refused), `network` (nobody answered), `ssh_failed`.
 */
export async function openMaster(target: SshTarget, options: { signal?: AbortSignal } = {}): Promise<void> {
  if (target.controlPath === null) return run(sshArgv(target, ["-T"], "exit 0"), options.signal);
  if (await masterAlive(target)) return;
  // ssh that finds the socket taken goes on without multiplexing and, being told -f, would stay as an orphan: one at a time.
  await withLock(path.join(path.dirname(target.config), "master.lock"), async () => {
    if (await masterAlive(target)) return;
    await removeStaleSocket(target.controlPath as string);
    await run(sshArgv(target, ["-M", "-N", "-f"]), options.signal);
    if (await notesForwards(target)) await (await import("./forwards.ts")).restoreForwards(target);
  });
}

/** Whether somebody had forwards opened on this session's masters. */
export async function notesForwards({ config }: Pick<SshTarget, "config">): Promise<boolean> {
  return lstat(path.join(path.dirname(config), "forwards.json")).then(
    () => true,
    () => false,
  );
}

/** Ends the master and all that runs over it. Gives whether there was one. */
export async function closeMaster(target: Pick<SshTarget, "controlPath" | "config">): Promise<boolean> {
  return leave(target, "terminate");
}

/**
 * Sends the master into retirement: nothing new gets onto it, what runs over it may finish. Its forwards no longer listen, so
 * that the next master can have them. Gives whether there was one.
 */
export async function retireMaster(target: Pick<SshTarget, "controlPath" | "config">): Promise<boolean> {
  return leave(target, "stop");
}

async function leave(target: Pick<SshTarget, "controlPath" | "config">, how: "terminate" | "stop"): Promise<boolean> {
  const { controlPath } = target;
  if (controlPath === null) return false;
  if (await notesForwards(target)) await (await import("./forwards.ts")).releaseForwards(target);
  const agreed = await askMaster(controlPath, how);
  if (!agreed) await removeStaleSocket(controlPath);
  return agreed;
}

/** A socket on which nobody listens any more; never anything but a socket, so no file of the person's can go this way. */
async function removeStaleSocket(controlPath: string): Promise<void> {
  try {
    if ((await lstat(controlPath)).isSocket()) await unlink(controlPath);
  } catch (error) {
    if (errno(error) !== "ENOENT" && errno(error) !== "ENOTDIR") throw error;
  }
}

/** stderr beyond this is not kept; the reason stands at its end. In bytes. */
const KEPT_STDERR = 16 * 1024;
/** What ssh said last may still be in the pipe when its end is reported. In milliseconds. */
const LAST_WORDS_MS = 200;

async function run([file, ...args]: string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const program = Bun.which(file as string);
  if (program === null)
    throw new RuncodeError("ssh_missing", "there is no ssh on the PATH", {
      hint: "install the OpenSSH client (Debian: apt install openssh-client)",
    });
  const child = spawn([program, ...args]);
  const abort = (): void => child.kill("SIGTERM");
  signal?.addEventListener("abort", abort, { once: true });
  let stderr = "";
  const reader = child.stderr.getReader();
  const said = (async () => {
    const text = new TextDecoder();
    for (let next = await reader.read(); !next.done; next = await reader.read())
      stderr = (stderr + text.decode(next.value, { stream: true })).slice(-KEPT_STDERR);
  })();
  // Not the end of stderr: what -f leaves in the background may hold the pipe's other end.
  const code = await child.exited;
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
  if (code !== 0) await Promise.race([said, Bun.sleep(LAST_WORDS_MS)]);
  void reader.cancel();
  if (code === 0) return;
  throw classifyFailure(stderr, child.exitCode);
}

function spawn(argv: string[]): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  try {
    return Bun.spawn(argv, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (cause) {
    throw new RuncodeError("ssh_failed", `ssh could not be started: ${(cause as Error).message}`, { cause });
  }
}
