// The tar archives in which trees travel. They are written and read here rather than by a library or by the tar of this
// machine: names are bytes and not text, what a workspace sends is hostile, and memory stays the same for any number of files.
// Written is what GNU tar, bsdtar and busybox all read: GNU headers, `L` and `K` for long names (busybox ignores those of pax),
// base-256 for sizes beyond 8 GiB, and pax for nothing but the fraction of an mtime. Read is all that those three write.

export type EntryType = "file" | "directory" | "symlink" | "hardlink" | "other";

export interface Entry {
  /** As it stands in the archive: relative, `/` between its parts. */
  readonly name: Buffer;
  readonly type: EntryType;
  /** Permission bits with set-user-ID and the like: 07777. */
  readonly mode: number;
  /** In bytes; 0 for all but files. */
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  /** Where a link leads; empty for everything else. */
  readonly link: Buffer;
}

export const BLOCK = 512;
export const BILLION = 1_000_000_000n;

/** How many bytes fill up the last block of a body. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
