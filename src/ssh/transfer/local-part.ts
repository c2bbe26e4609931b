// The temporary names on this machine, `.runcode-<key>.part`. Whoever writes under one holds a lock in this program's cache
// meanwhile, and the kernel lets go of it however the writer ends: so what was left by one that was killed is told from
// what another is writing, and goes when the next transfer comes to the same directory.
import { chmodSync, existsSync, lstatSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { takeLock } from "../../platform/files.ts";
import { join } from "./walk.ts";

export interface LocalPart {
  readonly name: string;
  /** To be called once nothing has that name any more. */
  release(): void;
}

/**
 * Takes a directory, a new transfer's key and this program's cache; gives a name that is free. Before that it removes what dead writers left
 * in the directory. Where no lock can be had (a cache that cannot be written to) the transfer goes on without: what it leaves if it is killed stays.
 */
export async function localPart(dir: string, key: string, cache: string): Promise<LocalPart> {
  const locks = path.join(cache, "parts");
  await removeDead(dir, locks);
  const lock = path.join(locks, key);
  const unlock = await takeLock(lock, 0).catch(() => null);
  return {
    name: `.runcode-${key}.part`,
    release() {
      if (unlock === null) return;
      unlock();
      rmSync(lock, { force: true });
    },
  };
}

/** What has no lock in `locks` was left by somebody else, or on another machine, and stays. Never throws: nobody asked for this. */
async function removeDead(dir: string, locks: string): Promise<void> {
  try {
    for (const name of readdirSync(dir)) {
      const key = /^\.runcode-([0-9a-f]{16})\.part$/.exec(name)?.[1];
      // Taking a lock would make it.
      if (key === undefined || !existsSync(path.join(locks, key))) continue;
      const unlock = await takeLock(path.join(locks, key), 0).catch(() => null);
      if (unlock === null) continue;
      try {
        removeTree(Buffer.from(path.join(dir, name)));
        rmSync(path.join(locks, key), { force: true });
      } finally {
        unlock();
      }
    }
  } catch {
    // The directory is not there, or what lies in it is not ours to remove.
  }
}

/** Removes a file or a tree, directories without permission to write included. */
export function removeTree(part: Buffer): void {
  try {
    rmSync(part, { recursive: true, force: true });
  } catch (error) {
    if (!lstatSync(part).isDirectory()) throw error;
    // Directories that came without permission to write keep what is in them.
    makeWritable(part);
    rmSync(part, { recursive: true, force: true });
  }
}

function makeWritable(dir: Buffer): void {
  chmodSync(dir, 0o700);
  for (const each of readdirSync(dir, { encoding: "buffer" })) {
    if (lstatSync(join(dir, each)).isDirectory()) makeWritable(join(dir, each));
  }
}
