// Changing a file that belongs to somebody else: it stays the same file to everybody, with its mode, its owner and the
// symlink that leads to it, and no reader ever sees half of it.
import { constants, type Stats } from "node:fs";
import { copyFile, open, readlink, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { randomBytes } from "./digest.ts";
import { errno, ioError } from "./files.ts";

export interface Found {
  /** The file itself, behind any symlink. */
  readonly real: string;
  /** Its bytes, each as one character, so that whatever is in it comes back unchanged; null when there is no file. */
  readonly text: string | null;
  readonly stats: Stats | null;
}

const LONGEST_CHAIN = 40;

/** Takes our text; gives it as `Found.text` has it: one character for each byte of UTF-8. */
export function asBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The reverse of `asBytes`. */
export function fromBytes(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Reads a file through its symlinks, a dangling one too. Throws RuncodeError `io`. */
export async function find(file: string): Promise<Found> {
  try {
    const real = await follow(file);
    const handle = await open(real, "r").catch((error: unknown) => {
      if (errno(error) === "ENOENT") return null;
      throw error;
    });
    if (!handle) return { real, text: null, stats: null };
    try {
      return { real, text: (await handle.readFile()).toString("latin1"), stats: await handle.stat() };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(`cannot read ${file}`, error);
  }
}

async function follow(file: string): Promise<string> {
  let real = file;
  for (let hops = 0; hops < LONGEST_CHAIN; hops++) {
    const next = await readlink(real).catch(() => null);
    if (next === null) return real;
    real = path.resolve(path.dirname(real), next);
  }
  throw new Error("its symlinks lead in a circle");
}

/**
 * Replaces what `find` gave with `text` (of bytes), by rename. A new file gets `mode`. Throws RuncodeError `io`, and then
 * the old file stands.
 */
export async function rewrite(found: Found, text: string, mode = 0o600): Promise<void> {
  const fresh = `${found.real}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    const handle = await open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await handle.writeFile(Buffer.from(text, "latin1"));
      const own = await handle.stat();
      const { stats } = found;
      // Owner before mode: a change of owner clears set-id bits, and only root may give a file away.
      if (stats && (stats.uid !== own.uid || stats.gid !== own.gid)) await handle.chown(stats.uid, stats.gid);
      await handle.chmod(stats ? stats.mode & 0o7777 : mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, found.real);
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => {});
    throw ioError(`cannot write ${found.real}`, error);
  }
}

/** Copies the file beside itself, once: an older copy is the better one and stays. Gives where, or null when it was there. */
export async function backUpOnce(found: Found): Promise<string | null> {
  const copy = `${found.real}.before-runcode`;
  try {
    await copyFile(found.real, copy, constants.COPYFILE_EXCL);
    return copy;
  } catch (error) {
    if (errno(error) === "EEXIST") return null;
    throw ioError(`cannot back up ${found.real}`, error);
  }
}

/** Removes the copy when it says no more than the file does now. */
export async function dropBackup(found: Found): Promise<void> {
  const copy = `${found.real}.before-runcode`;
  const [kept, now] = await Promise.all([find(copy), find(found.real)]);
  if (kept.text !== null && kept.text === now.text) await rm(copy, { force: true });
}

/** Whether a directory is there. */
export async function isDirectory(dir: string): Promise<boolean> {
  return stat(dir).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
