// Forwards that last as long as the command that asked for them: where a person wants them so, and where there is no master
// to leave them on (Windows), since there they are a process's own.
import { spawn } from "node:child_process";
import { errno } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { classifyFailure } from "./failure.ts";
import type { Forward, Wanted } from "./forward-spec.ts";
import { answers, cancelForwards, freeLocalEnds, openForwards } from "./forwards.ts";
import { sshArgv } from "./master.ts";
import { masterEnd, type Endpoint } from "./mux.ts";
import type { SshTarget } from "./target.ts";

/** How long ssh may take from its start to listening. In milliseconds. */
const PATIENCE_MS = 30_000;
const KEPT_STDERR = 16 * 1024;

/**
 * Opens the forwards, calls `onReady`, and keeps them until `signal` is aborted; then they are gone, and it returns. Throws what
 * `openForwards` throws, and `ssh_failed` when the connection ends by itself.
 */
export async function holdForwards(
  target: SshTarget,
  wanted: readonly Wanted[],
  { signal, onReady }: { signal: AbortSignal; onReady: (forwards: readonly Forward[]) => void },
): Promise<void> {
  const { controlPath } = target;
  if (controlPath === null) return holdAlone(target, wanted, signal, onReady);
  const forwards = await openForwards(target, wanted);
  try {
    onReady(forwards);
    await masterEnd(controlPath, signal);
  } finally {
    const held = new Set(forwards.map((each) => JSON.stringify(each)));
    await cancelForwards(target, (each) => held.has(JSON.stringify(each)));
  }
  if (!signal.aborted) throw ended();
}

async function holdAlone(
  target: SshTarget,
  wanted: readonly Wanted[],
  signal: AbortSignal,
  onReady: (forwards: readonly Forward[]) => void,
): Promise<void> {
  const forwards: Forward[] = [];
  for (const want of wanted) {
    const { direction, remote } = want;
    const local = direction === "local" ? ((await freeLocalEnds(want))[0] as Endpoint) : want.local;
    forwards.push({ direction, local, remote });
  }
  const [file, ...args] = sshArgv(target, [
    "-N",
    // On a master this would return at once.
    "-S",
    "none",
    "-o",
    "ExitOnForwardFailure=yes",
    ...forwards.flatMap(({ direction, local, remote }) =>
      direction === "local" ? ["-L", `${end(local)}:${end(remote)}`] : ["-R", `${end(remote)}:${end(local)}`],
    ),
  ]);
  signal.throwIfAborted();
  const child = spawn(file as string, args, { stdio: ["ignore", "ignore", "pipe"] });
  const stop = (): void => void child.kill();
  signal.addEventListener("abort", stop, { once: true });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString("utf8")).slice(-KEPT_STDERR)));
  const gone = new Promise<RuncodeError>((resolve) => {
    child.on("error", (cause) =>
      resolve(
        errno(cause) === "ENOENT"
          ? new RuncodeError("ssh_missing", "there is no ssh on the PATH", { hint: "install the OpenSSH client" })
          : new RuncodeError("ssh_failed", `ssh could not be started: ${cause.message}`, { cause }),
      ),
    );
    child.on("close", (code) => resolve(stderr.trim() === "" ? ended() : classifyFailure(stderr, code)));
  });
  try {
    // ssh binds its listeners once it has authenticated, so one that takes a connection says that all is well.
    const listeners = forwards.filter(({ direction }) => direction === "local").map(({ local }) => local);
    const failed = await Promise.race([gone, listening(listeners)]);
    if (failed && !signal.aborted) throw failed;
    if (!signal.aborted) onReady(forwards);
    const error = await gone;
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    child.kill();
  }
}

/** Null once all of them listen, an error when that takes too long. */
async function listening(ends: readonly Endpoint[]): Promise<RuncodeError | null> {
  const deadline = Date.now() + PATIENCE_MS;
  for (const each of ends) {
    while (!(await answers(each))) {
      if (Date.now() > deadline)
        return new RuncodeError("timeout", "ssh did not begin to listen", { hint: "try again" });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return null;
}

function end(each: Endpoint): string {
  if ("path" in each) return each.path;
  return `${each.host.includes(":") ? `[${each.host}]` : each.host}:${each.port}`;
}

function ended(): RuncodeError {
  return new RuncodeError("ssh_failed", "the connection that carried the forwards has ended", {
    hint: "the session may have expired; run the same command again",
  });
}
