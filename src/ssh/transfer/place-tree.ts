// A tree that has been unpacked and checked, moved to its place on this machine: by one rename where nothing stands there,
// else file by file after a look that nothing would be lost.
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { errno, ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { makeParents } from "./local-file.ts";
import { localPart, type LocalPart, removeTree } from "./local-part.ts";
import { join } from "./walk.ts";

export interface Staging {
  /** An empty directory of ours, on the file system of the place. */
  readonly dir: Buffer;
  /** Moves what has been unpacked to its place. Throws RuncodeError `conflict` before anything is changed, `io`. */
  commit(): void;
  /** Removes what was not moved. */
  close(): void;
}

/** Throws RuncodeError `conflict` where a tree cannot go; nothing is made. */
function checkTreePlace(place: string): void {
  const stat = attempt(place, () => statSync(place, { throwIfNoEntry: false }));
  const link = stat === undefined && lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  if (link) throw new RuncodeError("conflict", `${place} is a symbolic link that leads nowhere`);
  if (stat && !stat.isDirectory())
    throw new RuncodeError("conflict", `${place} is there already, and not a directory`, {
      hint: "remove it first, or choose another path",
    });
}

/**
 * Takes what gives the path that the tree should have, the transfer's key and this program's cache. The path is asked for again in the turn
 * in which it is used: what it leads to may change while the name is waited for. Throws what `locate` throws, and RuncodeError `conflict`, `io`.
 */
export async function stageTree(
  locate: () => string,
  key: string,
  { keep, cache }: { readonly keep: boolean; readonly cache: string },
): Promise<Staging> {
  const part = await localPart(parentOfPart(locate()), key, cache);
  try {
    return makeStaging(locate(), part, keep);
  } catch (error) {
    part.release();
    throw error;
  }
}

/** Inside the directory that is there: it may be a mount point, and a rename never crosses one. */
function parentOfPart(place: string): string {
  const stat = attempt(place, () => statSync(place, { throwIfNoEntry: false }));
  return stat === undefined ? path.dirname(place) : place;
}

function makeStaging(place: string, part: LocalPart, keep: boolean): Staging {
  checkTreePlace(place);
  const parent = parentOfPart(place);
  const there = parent === place;
  if (!there) makeParents(place);
  const partPath = path.join(parent, part.name);
  attempt(place, () => mkdirSync(partPath, 0o700));
  const dir = Buffer.from(partPath);
  return {
    dir,
    commit() {
      const to = Buffer.from(place);
      if (!there) return attempt(place, () => moveDirectory(dir, to));
      attempt(place, () => check(dir, to, keep));
      attempt(place, () => merge(dir, to));
    },
    close() {
      try {
        removeTree(dir);
      } finally {
        part.release();
      }
    },
  };
}

function check(from: Buffer, to: Buffer, keep: boolean): void {
  for (const name of readdirSync(from, { encoding: "buffer" })) {
    const old = lstatSync(join(to, name), { throwIfNoEntry: false });
    if (old === undefined) continue;
    const shown = join(to, name).toString();
    if (lstatSync(join(from, name)).isDirectory()) {
      if (!old.isDirectory())
        throw new RuncodeError("conflict", `${shown} is there already, and not a directory`, {
          hint: "nothing was changed; remove it first, or choose another path",
        });
      check(join(from, name), join(to, name), keep);
    } else if (old.isDirectory()) {
      throw new RuncodeError("conflict", `${shown} is a directory, where a file should go`, {
        hint: "nothing was changed; remove that directory first, or choose another path",
      });
    } else if (keep) {
      throw new RuncodeError("conflict", `${shown} exists`, { hint: "leave out --no-clobber to replace it" });
    }
  }
}

function merge(from: Buffer, to: Buffer): void {
  // A directory that may not be written to does not let go of what is in it; this one is thrown away.
  chmodSync(from, 0o700);
  for (const name of readdirSync(from, { encoding: "buffer" })) {
    const [source, target] = [join(from, name), join(to, name)];
    if (!lstatSync(source).isDirectory()) renameSync(source, target);
    else if (lstatSync(target, { throwIfNoEntry: false })) merge(source, target);
    else moveDirectory(source, target);
  }
}

/** A directory that changes its parent has its `..` rewritten, for which its owner needs to be able to write to it. */
function moveDirectory(from: Buffer, to: Buffer): void {
  const mode = lstatSync(from).mode & 0o777;
  chmodSync(from, mode | 0o700);
  renameSync(from, to);
  chmodSync(to, mode);
}

function attempt<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (errno(cause) === "ENOTDIR") throw new RuncodeError("conflict", `a part of the path ${place} is a file`);
    throw ioError(`cannot write ${place}`, cause);
  }
}
