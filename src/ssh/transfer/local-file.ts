// One file on this machine that comes into being: written under a temporary name next to its place, then renamed.
import {
  constants,
  fchmodSync,
  closeSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { errno, ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { localPart, type LocalPart } from "./local-part.ts";

export interface LocalFile {
  readonly fd: number;
  write(chunk: Uint8Array): void;
  /** Gives the file its name. Throws RuncodeError `io`. */
  commit(attributes: { readonly mode: number; readonly mtime: number }): void;
  /** Removes the temporary file unless it has been given its name. */
  close(): void;
}

/**
 * Takes the path a file should have; gives the real path after the overwrite rules, which are those of `put`: a link that was named is
 * followed, a directory or a device is a conflict. Throws RuncodeError `conflict`.
 */
export function placeFile(file: string, { keep }: { readonly keep: boolean }): string {
  let real = file;
  try {
    if (lstatSync(file).isSymbolicLink()) real = realpathSync(file);
    const stat = statSync(real);
    if (stat.isDirectory())
      throw new RuncodeError("conflict", `${file} is a directory`, {
        hint: "end the path with a slash to put the file inside it",
      });
    if (!stat.isFile()) throw new RuncodeError("conflict", `${file} is not a regular file`);
    if (keep) throw new RuncodeError("conflict", `${file} exists`, { hint: "leave out --no-clobber to replace it" });
    return real;
  } catch (cause) {
    if (errno(cause) === "ENOTDIR") throw partIsFile(file);
    if (errno(cause) !== "ENOENT") throw ioError(`cannot write ${file}`, cause);
    if (real === file && lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink())
      throw new RuncodeError("conflict", `${file} is a symbolic link that leads nowhere`);
    return real;
  }
}

/** Makes the parents of a path where they are missing. Throws RuncodeError `conflict`, `io`. */
export function makeParents(file: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
  } catch (cause) {
    if (errno(cause) === "ENOTDIR" || errno(cause) === "EEXIST") throw partIsFile(file);
    throw ioError(`cannot create ${path.dirname(file)}`, cause);
  }
}

/**
 * Takes what gives a path from `placeFile`, the transfer's key and this program's cache. The path is asked for again in the turn in which it
 * is used: what it leads to may change while the name is waited for. Throws what `locate` throws, and RuncodeError `io`.
 */
export async function createFile(locate: () => string, key: string, cache: string): Promise<LocalFile> {
  const part = await localPart(path.dirname(locate()), key, cache);
  try {
    return openPart(locate(), part);
  } catch (error) {
    part.release();
    throw error;
  }
}

function openPart(file: string, part: LocalPart): LocalFile {
  const what = `cannot write ${file}`;
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw ioError(what, cause);
    }
  };
  makeParents(file);
  const partPath = path.join(path.dirname(file), part.name);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const fd = attempt(() => openSync(partPath, flags, 0o600));
  let open = true;
  let named = false;
  const shut = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  return {
    fd,
    write(chunk) {
      for (let done = 0; done < chunk.length;) done += attempt(() => writeSync(fd, chunk, done, chunk.length - done));
    },
    commit({ mode, mtime }) {
      attempt(() => {
        // What came from elsewhere gets no set-user-ID and no sticky bit here.
        fchmodSync(fd, mode & 0o777);
        futimesSync(fd, mtime, mtime);
        shut();
        renameSync(partPath, file);
      });
      named = true;
    },
    close() {
      shut();
      if (!named) rmSync(partPath, { force: true });
      part.release();
    },
  };
}

function partIsFile(file: string): RuncodeError {
  return new RuncodeError("conflict", `a part of the path ${file} is a file`);
}
