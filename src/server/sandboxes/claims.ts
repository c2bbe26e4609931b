// Whose cgroup directories are whose. A server that is killed leaves the empty directory that was named for its data
// directory, and nothing ever uses it again when that is not either. An empty one may as well be a living server's that has
// no workspace yet, so each server holds a lock on its own, which the kernel lets go of however the server ends.
import { closeSync, existsSync, openSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import path from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { libc } from "./libc.ts";

/** flock(2) on Linux. */
const SHARED = 1;
const EXCLUSIVE = 2;
const AT_ONCE = 4;
const OURS = /^runcode-server-[0-9a-f]{12}$/;

/**
 * Holds a directory as a living server's; gives what lets go of it, or null when it was removed meanwhile and must be made
 * again. Where no lock can be had nothing is held: anybody may lock a directory that he can read, and that must stop no server.
 */
export async function claim(dir: string): Promise<(() => void) | null> {
  for (let round = 0; round < 5; round++) {
    const release = lock(dir, SHARED);
    if (release && existsSync(dir)) return release;
    release?.();
    if (!existsSync(dir)) return null;
    await systemClock.sleep(5);
  }
  return () => {};
}

/** Removes from a cgroup those directories of servers that no living server holds. One with a process in it stays: rmdir(2) refuses. */
export async function removeUnclaimed(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((name) => OURS.test(name))) {
    const dir = path.join(parent, name);
    const release = lock(dir, EXCLUSIVE);
    if (!release) continue;
    await removeGroup(dir);
    release();
  }
}

/** Gives whether it is gone. A group's own children go first: a process inside may have made some where the hierarchy is delegated. */
export async function removeGroup(dir: string): Promise<boolean> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(path.join(dir, entry.name));
  return await rmdir(dir).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
}

function lock(dir: string, kind: number): (() => void) | null {
  const system = libc();
  if (!system) return null;
  try {
    const fd = openSync(dir, "r");
    if (system.flock(fd, kind | AT_ONCE) === 0) {
      let held = true;
      // Once only: the number may be another file's by the time somebody closes a driver twice.
      return () => {
        if (held) closeSync(fd);
        held = false;
      };
    }
    closeSync(fd);
    return null;
  } catch {
    return null;
  }
}
