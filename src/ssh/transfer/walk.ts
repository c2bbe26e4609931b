// A tree on this machine, as the entries of an archive. Names are bytes, as the kernel has them; links are entries and are
// never followed.
import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from "node:fs";
import { errno, ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Entry } from "./archive/entry.ts";

export interface Root {
  /** Its place in the tree that comes into being; empty for the tree itself. */
  readonly name: Buffer;
  /** No link, or the link itself is meant. */
  readonly path: Buffer;
}

export interface Found {
  readonly path: Buffer;
  readonly entry: Entry & { readonly type: "file" | "directory" | "symlink" };
}

const SLASH = Buffer.from("/");

/** Joins two paths of bytes; an empty one is left out. */
export function join(a: Buffer, b: Buffer): Buffer {
  return a.length === 0 ? b : b.length === 0 ? a : Buffer.concat([a, SLASH, b]);
}

/**
 * Every directory, file and symbolic link at and below the roots, a directory before what is in it. `skip` is told of sockets, FIFOs and
 * devices. One directory's names are held at a time and level. Throws RuncodeError `not_found`, `io`.
 */
export function* walk(roots: readonly Root[], skip: (path: string) => void): Generator<Found> {
  for (const root of roots) yield* visit(root.path, root.name, skip);
}

function* visit(path: Buffer, name: Buffer, skip: (path: string) => void): Generator<Found> {
  const stat = attempt(path, () => lstatSync(path, { bigint: true }));
  if (stat.isFile()) yield found(path, name, "file", stat);
  else if (stat.isSymbolicLink()) {
    yield found(
      path,
      name,
      "symlink",
      stat,
      attempt(path, () => readlinkSync(path, { encoding: "buffer" })),
    );
  } else if (stat.isDirectory()) {
    yield found(path, name, "directory", stat);
    const names = attempt(path, () => readdirSync(path, { encoding: "buffer" }));
    for (const each of names) yield* visit(join(path, each), join(name, each), skip);
  } else skip(path.toString());
}

function found(
  path: Buffer,
  name: Buffer,
  type: Found["entry"]["type"],
  stat: BigIntStats,
  link = Buffer.alloc(0),
): Found {
  return {
    path,
    entry: {
      name,
      type,
      link,
      mode: Number(stat.mode) & 0o7777,
      size: type === "file" ? Number(stat.size) : 0,
      mtimeNs: stat.mtimeNs,
    },
  };
}

function attempt<T>(path: Buffer, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (errno(cause) === "ENOENT")
      throw new RuncodeError("not_found", `${path.toString()} is not there, or not any more`, { cause });
    throw ioError(`cannot read ${path.toString()}`, cause);
  }
}
