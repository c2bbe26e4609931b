// Files that are never seen half-written and never readable by others, and the lock that keeps writers apart.
import { readFileSync } from "node:fs";
import { constants, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { randomBytes } from "./digest.ts";
import { RuncodeError } from "../protocol/errors.ts";

/** Makes the directory and its parents; those that it makes are 0700. Throws RuncodeError `io`. */
export async function ensurePrivateDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch(asIo(`cannot create ${dir}`));
}

/**
 * Removes a folder with all that is in it; one that is not there is no error. Throws RuncodeError `io`.
 *
 * Bun's own `rm` with `force` gives up half-way, and says nothing, when something it has listed is removed by somebody else
 * first, such as the control socket of an ssh that is just ending.
 */
export async function removeTree(dir: string): Promise<void> {
  try {
    for (let left = 10; ; left--) {
      await rm(dir, { recursive: true, force: true });
      const found = await lstat(dir).catch((error: unknown) => errno(error));
      if (found === "ENOENT" || found === "ENOTDIR") return;
      if (left === 0) throw new Error("files appear in it as fast as they are removed");
    }
  } catch (error) {
    throw ioError(`cannot remove ${dir}`, error);
  }
}

/**
 * Replaces a file by rename, so that a reader sees the old text or the new one. The file is 0600 from birth unless `mode`
 * says otherwise. With `flush` the text is on the disk before it has the name. On any failure nothing is left behind and the old file stands. Throws RuncodeError `io`.
 */
export async function replaceFile(
  file: string,
  data: string | Uint8Array,
  { mode = 0o600, flush = true }: { mode?: number; flush?: boolean } = {},
): Promise<void> {
  const fresh = `${file}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    const handle = await open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await handle.writeFile(data);
      if (flush) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => {});
    throw ioError(`cannot write ${file}`, error);
  }
}

/** Gives the file's text, or null when there is none. Throws RuncodeError `io` for every other failure. */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    // Files of a few lines, on the way of every command: at once, and not by a turn through the pool of threads.
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return null;
    throw ioError(`cannot read ${file}`, error);
  }
}

/** The `code` of a system error, or undefined. */
export function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Takes what was tried and a system error; gives the error for the person, with the hint that the errno deserves. */
export function ioError(what: string, cause: unknown): RuncodeError {
  if (cause instanceof RuncodeError) return cause;
  const code = errno(cause);
  const known: Record<string, [string, string]> = {
    ENOSPC: ["no space left on the device", "free some space and try again"],
    EDQUOT: ["the disk quota is used up", "free some space and try again"],
    EROFS: ["the file system is read-only", "set XDG_CACHE_HOME and XDG_CONFIG_HOME to a writable place"],
    EACCES: ["permission denied", "check the owner and the mode of that path"],
    ENOTDIR: ["a file stands where a directory should be", "move that file away"],
    EEXIST: ["a file stands where a directory should be", "move that file away"],
    EISDIR: ["a directory stands where a file should be", "move that directory away"],
    EPERM: ["operation not permitted", "check the owner and the mode of that path"],
  };
  const [text, hint] = (code && known[code]) || [cause instanceof Error ? cause.message : String(cause), undefined];
  return new RuncodeError("io", `${what}: ${text}`, { hint, cause });
}

function asIo(what: string): (cause: unknown) => never {
  return (cause) => {
    throw ioError(what, cause);
  };
}

/**
 * Takes the lock `file` for this process alone; gives what lets go of it. The lock is SQLite's exclusive lock on an empty
 * database: the kernel lets go of it when the holder dies, however it dies, so there is no stale lock to break and no race
 * in breaking it. Waits `waitMs` at most, then throws RuncodeError `timeout`.
 */
export async function takeLock(file: string, waitMs: number): Promise<() => void> {
  await ensurePrivateDir(path.dirname(file));
  // Only a file that is not there is opened by us: closing any descriptor of a file drops all POSIX locks that this process
  // has on it (fcntl(2)), so a second caller in this process would take the lock away from the first.
  await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600).then(
    (handle) => handle.close(),
    (error: unknown) => {
      if (errno(error) !== "EEXIST") throw ioError(`cannot lock ${file}`, error);
    },
  );
  const { Database } = await import("bun:sqlite");
  const deadline = Date.now() + waitMs;
  let lock: InstanceType<typeof Database> | undefined;
  try {
    lock = new Database(file, { readwrite: true, create: false });
    for (let pause = 2; ; pause = Math.min(pause * 1.5, 50)) {
      try {
        // Nothing is ever written; a journal on disk would only make a lock fail when the disk is full.
        lock.run("PRAGMA journal_mode = MEMORY");
        lock.run("BEGIN EXCLUSIVE");
        break;
      } catch (error) {
        if (errno(error) !== "SQLITE_BUSY") throw error;
      }
      if (Date.now() > deadline) {
        throw new RuncodeError("timeout", `another runcode has held ${file} for ${Math.round(waitMs / 1000)} s`, {
          hint: "try again when it has ended",
        });
      }
      await new Promise((resolve) => setTimeout(resolve, pause + Math.random() * pause));
    }
    const held = lock;
    return () => held.close();
  } catch (error) {
    lock?.close();
    throw ioError(`cannot lock ${file}`, error);
  }
}

/** Runs `work` while this process alone holds the lock `file`: see takeLock. */
export async function withLock<T>(file: string, work: () => Promise<T>, waitMs = 60_000): Promise<T> {
  const release = await takeLock(file, waitMs);
  try {
    return await work();
  } finally {
    release();
  }
}
