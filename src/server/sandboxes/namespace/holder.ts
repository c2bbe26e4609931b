// The process that keeps a sandbox's namespaces alive, how it is started, and how others are started beside it.
//
// Two user namespaces are nested. In the outer one bwrap is root, or it could not mount a devpts; in the inner one every
// process of the workspace is uid 1000 without a capability. Killing bwrap ends the PID namespace and all that is in it.
import { spawn, type ChildProcess } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Cgroup } from "../cgroup.ts";
import { dropped } from "./identity.ts";
import { bwrapArguments, ID, type Sources } from "./view.ts";

export interface Holder {
  /** bwrap itself: in the outer user namespace, outside of all others. */
  readonly monitor: number;
  /** The first process of the PID namespace. */
  readonly init: number;
  readonly process: ChildProcess;
}

export interface HolderOptions {
  readonly title: string;
  /** The workspace's directory with home/, etc/, sockets/ and, for root, an empty file `self`. */
  readonly root: string;
  /** The runcode executable. */
  readonly self: string;
  readonly uid: number | null;
  readonly cgroup: Cgroup | null;
}

export const HOST_ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

/**
 * Root's data directory is closed to the workspace's uid, and often so is what is above it (/root). So root gives itself
 * mounts of its own first, in which the two things bwrap must reach are laid where anybody may look.
 */
const LAY_OUT = 'mount --bind -- "$1" "$3" && mount --bind -- "$2" "$3/self" && shift 3 && exec "$@"';
const STAGES = ["/mnt", "/media", "/srv", "/opt", "/tmp"];

/**
 * A shell's `trap ''` is what makes the sleep deaf to the polite signals that a stop sends to everybody. It keeps no stream to
 * the server: the workspace's own processes may take its descriptors (pidfd_getfd(2)) and would fill the server's memory.
 */
const HOLD = "trap '' TERM HUP INT; echo ready; exec sleep infinity >/dev/null 2>&1";

/** Starts a sandbox and resolves once processes can enter it. Throws RuncodeError `start_failed` and leaves nothing running. */
export async function startHolder(options: HolderOptions, signal?: AbortSignal): Promise<Holder> {
  const stage = STAGES.find((dir) => ![options.root, options.self].some((file) => `${file}/`.startsWith(`${dir}/`)));
  const base = options.uid === null ? options.root : (stage ?? "/mnt");
  const from: Sources = {
    home: `${base}/home`,
    etc: `${base}/etc`,
    sockets: `${base}/sockets`,
    self: options.uid === null ? options.self : `${base}/self`,
  };
  const bwrap = [
    ...["unshare", "--user", "--map-root-user", "--", "bwrap", ...bwrapArguments(from, options.title), "--"],
    ...["/usr/bin/unshare", "--user", `--map-user=${ID}`, `--map-group=${ID}`, "--", "/bin/sh", "-c", HOLD],
  ];
  const inner = [...dropped(options.uid), ...bwrap];
  const argv =
    options.uid === null
      ? inner
      : ["unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c", LAY_OUT, "sh"].concat(
          [options.root, options.self, base],
          inner,
        );
  const [program = "", ...args] = options.cgroup ? options.cgroup.joined(argv) : argv;
  const child = spawn(program, args, {
    env: HOST_ENV,
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const giveUp = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", giveUp, { once: true });
  child.on("error", () => {});
  const said = text(child.stderr as Readable).catch(() => "");
  const info = text(child.stdio[3] as Readable).catch(() => "");
  const failed = new Promise<null>((resolve) => {
    child.once("exit", () => resolve(null));
    child.once("error", () => resolve(null));
  });
  const ready = await Promise.race([firstLine(child.stdout as Readable), failed]);
  // From here on it is the sandbox's to end.
  signal?.removeEventListener("abort", giveUp);
  if (!ready) {
    child.kill("SIGKILL");
    signal?.throwIfAborted();
    const why = (await said).trim().split("\n").at(-1) || "bwrap did not start";
    throw new RuncodeError("start_failed", `the workspace's sandbox cannot be made: ${why.slice(0, 300)}`, {
      hint: "run `runcode serve` with the process driver, or see docs/drivers.md for what this one needs",
    });
  }
  const init = Number((JSON.parse(await info) as Record<string, unknown>)["child-pid"]);
  return { monitor: child.pid ?? 0, init, process: child };
}

async function firstLine(stream: Readable): Promise<boolean> {
  for await (const _chunk of stream) return true;
  return false;
}

/**
 * Moves to a directory, takes the request's variables out of their disguise, and becomes the program. Its own variable has the
 * one name that none of them can have.
 */
const ENTERED =
  'cd -- "$1" || exit 1; for RUNCODE_ENV_ in $2; do eval "export $RUNCODE_ENV_=\\"\\$RUNCODE_ENV_$RUNCODE_ENV_\\""; unset "RUNCODE_ENV_$RUNCODE_ENV_"; done; shift 2; exec "$@"';

/**
 * Takes an argv to be run inside; gives the one that does it from out here, and the environment for it. The request's
 * variables travel under names that mean nothing to the programs on the way in, which run with more rights than it has:
 * LD_PRELOAD or LOCPATH must not be obeyed before the sandbox is entered. The value is never put into the script.
 */
export function entering(
  holder: Holder,
  uid: number | null,
  inside: { argv: readonly string[]; cwd: string; env: Readonly<Record<string, string>>; terminal: boolean },
): { argv: readonly string[]; env: Record<string, string> } {
  const disguised = Object.entries(inside.env).map(([name, value]) => [`RUNCODE_ENV_${name}`, value] as const);
  return {
    argv: [
      // Away from the server's own session: the terminal is taken inside, and ^C must not reach the nsenter that waits here.
      ...(inside.terminal ? ["setsid", "--"] : []),
      ...dropped(uid),
      ...["nsenter", `--user=/proc/${holder.monitor}/ns/user`, `--target=${holder.init}`],
      ...["--mount", "--pid", "--ipc", "--uts", "--preserve-credentials", "--"],
      ...["/usr/bin/nsenter", "--user=/proc/2/ns/user", "--preserve-credentials", "--"],
      ...["/usr/bin/setsid", ...(inside.terminal ? ["--ctty"] : []), "--", "/bin/sh", "-c", ENTERED, "sh"],
      ...[inside.cwd, Object.keys(inside.env).join(" "), ...inside.argv],
    ],
    env: { ...HOST_ENV, ...Object.fromEntries(disguised) },
  };
}
