// The forwards that live on a session's master, and the note of them beside the session: so that they can be listed and
// cancelled, and so that the master of the next session has them too. `--list` tells what the masters say, not the note.
import { lstat, unlink } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { errno, readIfThere, replaceFile, withLock } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { endText, type Forward, type Wanted } from "./forward-spec.ts";
import { askForward, masterPid, type Endpoint, type MuxForward } from "./mux.ts";
import type { SshTarget } from "./target.ts";

type Target = Pick<SshTarget, "config" | "controlPath">;

interface Noted extends Forward {
  /** The master that has it. */
  readonly pid: number;
}

export interface Standing extends Forward {
  readonly alive: boolean;
}

/** How many ports after the wanted one are tried before the system is asked for any. */
const NEXT_PORTS = 50;

const noteOf = (target: Target): string => path.join(path.dirname(target.config), "forwards.json");
const locked = <T>(target: Target, work: () => Promise<T>): Promise<T> => withLock(`${noteOf(target)}.lock`, work);

/**
 * Has the session's living master open the forwards, all or none of them. One that it has already is given as it is. Throws
 * RuncodeError `conflict` (a local port that was asked for by name is taken, or the workspace refuses to listen), `ssh_failed`, `io`.
 */
export async function openForwards(target: Target, wanted: readonly Wanted[]): Promise<readonly Forward[]> {
  return locked(target, async () => {
    const { controlPath, pid } = await living(target);
    const noted = await readNote(target);
    const standing = noted.filter((each) => each.pid === pid);
    const opened: Noted[] = [];
    const given: Forward[] = [];
    try {
      for (const want of wanted) {
        const same = [...standing, ...opened].find((each) => serves(each, want));
        if (same) {
          given.push(bare(same));
          continue;
        }
        const forward = await openOne(controlPath, want);
        opened.push({ ...forward, pid });
        given.push(forward);
      }
    } catch (error) {
      for (const forward of opened) await closeOne(controlPath, forward);
      throw error;
    }
    const replaced = (each: Noted): boolean => opened.some((fresh) => sameListener(fresh, each));
    await writeNote(target, [...noted.filter((each) => !replaced(each)), ...opened]);
    return given;
  });
}

/** The forwards of a session, each with whether its master still has it. Throws `io`. */
export async function listForwards(target: Target): Promise<readonly Standing[]> {
  const noted = await readNote(target);
  if (noted.length === 0 || target.controlPath === null) return [];
  const pid = await masterPid(target.controlPath);
  return noted.map((each) => ({ ...bare(each), alive: each.pid === pid }));
}

/** Cancels those that `chosen` picks; what runs through them goes on. Gives them. Throws `io`. */
export async function cancelForwards(
  target: Target,
  chosen: (forward: Forward) => boolean,
): Promise<readonly Forward[]> {
  const { controlPath } = target;
  if (controlPath === null || (await readNote(target)).length === 0) return [];
  return locked(target, async () => {
    const noted = await readNote(target);
    const pid = await masterPid(controlPath);
    const going = noted.filter((each) => chosen(bare(each)));
    for (const forward of going) if (forward.pid === pid) await closeOne(controlPath, forward);
    await writeNote(
      target,
      noted.filter((each) => !going.includes(each)),
    );
    return going.map(bare);
  });
}

/** Before a master retires: it gives up its listeners, so that its successor can have them. Never throws. */
export async function releaseForwards(target: Target): Promise<void> {
  const { controlPath } = target;
  const noted = await readNote(target).catch(() => []);
  if (controlPath === null || noted.length === 0) return;
  const pid = await masterPid(controlPath);
  for (const forward of noted) if (forward.pid === pid) await closeOne(controlPath, forward);
}

/** After a master was opened: it gets what the one before it had. What it cannot get is listed as dead. Never throws. */
export async function restoreForwards(target: Target): Promise<void> {
  const { controlPath } = target;
  if (controlPath === null || (await readNote(target).catch(() => [])).length === 0) return;
  await locked(target, async () => {
    const pid = await masterPid(controlPath);
    if (pid === null) return;
    const after: Noted[] = [];
    for (const forward of await readNote(target)) {
      const back = forward.pid !== pid && (await reopen(controlPath, forward));
      after.push(back ? { ...forward, pid } : forward);
    }
    await writeNote(target, after);
  }).catch(() => {});
}

async function reopen(controlPath: string, forward: Forward): Promise<boolean> {
  const listen = forward.direction === "local" ? forward.local : null;
  if (listen && "path" in listen) await removeDeadSocket(listen.path);
  return (await askForward(controlPath, "open", onWire(forward))).ok;
}

async function openOne(controlPath: string, want: Wanted): Promise<Forward> {
  if (want.direction === "reverse") return openAt(controlPath, bare(want));
  for (const local of await freeLocalEnds(want)) {
    const forward = { direction: want.direction, local, remote: want.remote };
    const answer = await askForward(controlPath, "open", onWire(forward));
    if (answer.ok) return forward;
    if (answer.why === "dead") throw dead(answer.reason);
    // Somebody was quicker than we between the look and the leap.
    if (want.named || "path" in local) throw taken(local);
  }
  throw taken(want.local);
}

async function openAt(controlPath: string, forward: Forward): Promise<Forward> {
  const answer = await askForward(controlPath, "open", onWire(forward));
  if (answer.ok) return forward;
  if (answer.why === "dead") throw dead(answer.reason);
  throw new RuncodeError("conflict", `the workspace refuses to listen on ${endText(forward.remote)}`, {
    hint: "is that port taken there? runcode context shows the ports in use",
  });
}

/** Where to listen, best first: what was wanted, and where that was not named what comes after it. Throws `conflict`. */
export async function freeLocalEnds(want: Wanted): Promise<readonly Endpoint[]> {
  const { local } = want;
  if ("path" in local) {
    await removeDeadSocket(local.path);
    if (await exists(local.path)) throw taken(local);
    return [local];
  }
  if (want.named) {
    if (!(await isFree(local.port))) throw taken(local);
    return [local];
  }
  const ends: Endpoint[] = [];
  for (let next = local.port; next <= Math.min(local.port + NEXT_PORTS, 65535) && ends.length < 3; next++)
    if (await isFree(next)) ends.push({ ...local, port: next });
  return [...ends, { ...local, port: await anyFree() }];
}

/** Whether nobody listens there, on either loopback: a forward that only half the programs reach helps nobody. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, "127.0.0.1")) !== null && (await canListen(port, "::1", true)) !== null;
}

async function anyFree(): Promise<number> {
  return (await canListen(0, "127.0.0.1")) ?? 0;
}

function canListen(port: number, host: string, orNoSuchHost = false): Promise<number | null> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.on("error", (error) => {
      const absent = orNoSuchHost && ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(errno(error) ?? "");
      resolve(absent ? port : null);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const bound = (server.address() as net.AddressInfo).port;
      server.close(() => resolve(bound));
    });
  });
}

/** A socket file that nobody listens on is left by a master that was killed; anything else is not ours to remove. */
async function removeDeadSocket(file: string): Promise<void> {
  try {
    if (!(await lstat(file)).isSocket() || (await answers({ path: file }))) return;
    await unlink(file);
  } catch (error) {
    if (errno(error) !== "ENOENT") throw taken({ path: file });
  }
}

/** Whether somebody listens there. */
export function answers(end: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = "path" in end ? net.connect(end.path) : net.connect(end.port, end.host);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

async function closeOne(controlPath: string, forward: Forward): Promise<void> {
  await askForward(controlPath, "close", onWire(forward));
  // ssh closes the listener and leaves its file.
  if (forward.direction === "local" && "path" in forward.local)
    await removeDeadSocket(forward.local.path).catch(() => {});
}

async function living(target: Target): Promise<{ controlPath: string; pid: number }> {
  const { controlPath } = target;
  const pid = controlPath === null ? null : await masterPid(controlPath);
  if (controlPath === null || pid === null) throw dead("the master does not answer");
  return { controlPath, pid };
}

function onWire({ direction, local, remote }: Forward): MuxForward {
  return direction === "local"
    ? { direction, listen: local, connect: remote }
    : // The workspace listens on its own loopback whatever its sshd would allow.
      { direction, listen: "path" in remote ? remote : { ...remote, host: "localhost" }, connect: local };
}

const equal = (a: Endpoint, b: Endpoint): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether a standing forward is what is wanted; one on another local port is, where none was named. */
function serves(standing: Forward, want: Wanted): boolean {
  const sameLocal = equal(standing.local, want.local);
  return (
    standing.direction === want.direction &&
    equal(standing.remote, want.remote) &&
    (sameLocal || (want.direction === "local" && !want.named && "port" in standing.local && "port" in want.local))
  );
}

function sameListener(a: Forward, b: Forward): boolean {
  return a.direction === b.direction && (a.direction === "local" ? equal(a.local, b.local) : equal(a.remote, b.remote));
}

function bare({ direction, local, remote }: Forward): Forward {
  return { direction, local, remote };
}

async function readNote(target: Target): Promise<readonly Noted[]> {
  const text = await readIfThere(noteOf(target));
  try {
    const noted: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(noted) ? noted.filter(isNoted) : [];
  } catch {
    return [];
  }
}

function isNoted(value: unknown): value is Noted {
  const { direction, local, remote, pid } = (value ?? {}) as Partial<Noted>;
  return (
    (direction === "local" || direction === "reverse") &&
    isEndpoint(local) &&
    isEndpoint(remote) &&
    Number.isSafeInteger(pid)
  );
}

function isEndpoint(value: unknown): value is Endpoint {
  const { host, port, path } = (value ?? {}) as { host?: unknown; port?: unknown; path?: unknown };
  return typeof path === "string" || (typeof host === "string" && Number.isSafeInteger(port));
}

async function writeNote(target: Target, noted: readonly Noted[]): Promise<void> {
  await replaceFile(noteOf(target), `${JSON.stringify(noted)}\n`);
}

function taken(local: Endpoint): RuncodeError {
  const what = "path" in local ? local.path : `port ${local.port} of this machine`;
  const hint = "path" in local ? "name another file" : "name another port, or none and take the next free one";
  return new RuncodeError("conflict", `${what} is taken`, { hint });
}

function dead(reason: string): RuncodeError {
  return new RuncodeError("ssh_failed", `no forward could be opened: ${reason}`, { hint: "try again" });
}
