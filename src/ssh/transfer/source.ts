// Where the content of one file comes from: a file here, or a stream of unknown length. It is hashed as it is sent, so the
// hash is of what left this machine and nothing is read twice.
import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from "node:fs";
import { errno, ioError } from "../../platform/files.ts";
import { bytesOf, type Input } from "../../platform/streams.ts";
import { RuncodeError } from "../../protocol/errors.ts";

export interface Sent {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Takes where to write (false: nobody reads any more) and the signal; gives what was sent, or undefined when the reader went away. */
export type Source = (
  write: (chunk: Uint8Array) => Promise<boolean>,
  signal: AbortSignal,
  onProgress?: (bytes: number) => void,
) => Promise<Sent | undefined>;

/** In bytes: enough that a system call each costs nothing, little enough that ssh is never kept waiting for the disk. */
const CHUNK = 256 * 1024;

export interface OpenFile {
  readonly stat: BigIntStats;
  readonly fd: number;
  /** Its path as it was given, for messages. */
  readonly shown: string;
  readonly source: Source;
  close(): void;
}

/**
 * Opens a regular file; a symbolic link is followed. Throws RuncodeError `not_found`, `io`, and `conflict` for what is neither a file nor a directory;
 * gives null for a directory.
 */
export function openFile(file: string | Buffer): OpenFile | null {
  const shown = file.toString();
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO must not hold the open; it makes no difference to a file.
    fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    if (errno(cause) === "ENOENT" || errno(cause) === "ENOTDIR")
      throw new RuncodeError("not_found", `there is no ${shown}`, { cause });
    if (errno(cause) === "EISDIR") return null;
    throw ioError(`cannot read ${shown}`, cause);
  }
  const stat = fstatSync(fd, { bigint: true });
  if (stat.isFile()) return { stat, fd, shown, source: fileSource(fd, stat, shown), close: () => closeSync(fd) };
  closeSync(fd);
  if (stat.isDirectory()) return null;
  throw new RuncodeError("conflict", `${shown} is neither a file nor a directory`, {
    hint: "pipe it in: runcode put - <remote>",
  });
}

function fileSource(fd: number, before: BigIntStats, shown: string): Source {
  return async (write, signal, onProgress) => {
    const hash = new Bun.CryptoHasher("sha256");
    const buffer = Buffer.allocUnsafe(CHUNK);
    let bytes = 0;
    for (;;) {
      signal.throwIfAborted();
      const count = read(fd, buffer, shown);
      if (count === 0) break;
      const chunk = buffer.subarray(0, count);
      hash.update(chunk);
      if (!(await write(chunk))) return undefined;
      bytes += count;
      onProgress?.(bytes);
    }
    mustBeUnchanged(fd, before, bytes, shown);
    return { bytes, sha256: hash.digest("hex") };
  };
}

/** Throws RuncodeError `io` when the file is not what it was, or gave another number of bytes than it had. */
export function mustBeUnchanged(fd: number, before: BigIntStats, bytes: number, shown: string): void {
  const after = fstatSync(fd, { bigint: true });
  if (after.mtimeNs === before.mtimeNs && after.size === before.size && BigInt(bytes) === before.size) return;
  throw new RuncodeError("io", `${shown} changed while it was being read; nothing was changed on the workspace`, {
    hint: "try again when nobody writes to it",
  });
}

function read(fd: number, buffer: Buffer, shown: string): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null);
  } catch (cause) {
    throw ioError(`cannot read ${shown}`, cause);
  }
}

/** A stream whose length nobody knows before its end. */
export function streamSource(stream: Input): Source {
  return async (write, signal, onProgress) => {
    const hash = new Bun.CryptoHasher("sha256");
    let bytes = 0;
    for await (const chunk of bytesOf(stream, signal)) {
      hash.update(chunk);
      if (!(await write(chunk))) return undefined;
      bytes += chunk.length;
      onProgress?.(bytes);
    }
    signal.throwIfAborted();
    return { bytes, sha256: hash.digest("hex") };
  };
}
