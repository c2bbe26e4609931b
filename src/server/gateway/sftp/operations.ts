// What a client can ask for (draft §6), as a table: the number of the request → what it does. Each takes the request's id and
// fields and gives the answer, or throws what the system said.
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import type { Stats } from "node:fs";
import type { Accounts } from "./accounts.ts";
import { longName, readAttributes, writeAttributes } from "./attributes.ts";
import type { Attributes } from "./attributes.ts";
import type { Handles } from "./handles.ts";
import { MAX_DATA, Writer } from "./packet.ts";
import type { Reader } from "./packet.ts";
import { pathOf, real } from "./paths.ts";
import { Refused, status, STATUS } from "./status.ts";

export interface Context {
  readonly handles: Handles;
  readonly accounts: Accounts;
  readonly home: string;
}
export type Operation = (id: number, packet: Reader, context: Context) => Buffer;

const HANDLE = 102;
const DATA = 103;
const NAME = 104;
const ATTRS = 105;

export const ok = (id: number): Buffer => status(id, STATUS.ok);
/** A NAME answer of one path and nothing known of it, as REALPATH and READLINK give it. */
export const nameOnly = (id: number, path: Buffer): Buffer =>
  new Writer(NAME).uint32(id).uint32(1).string(path).string(path).uint32(0).finish();
const attributes = (id: number, stats: Stats): Buffer => writeAttributes(new Writer(ATTRS).uint32(id), stats).finish();
const handle = (id: number, value: Buffer): Buffer => new Writer(HANDLE).uint32(id).string(value).finish();

const WANT = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;

function openFlags(wanted: number): number {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_EXCL, O_NOCTTY } = constants;
  const access = wanted & WANT.write ? (wanted & WANT.read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return (
    access |
    O_NOCTTY |
    (wanted & WANT.append ? O_APPEND : 0) |
    (wanted & WANT.create ? O_CREAT : 0) |
    (wanted & WANT.truncate ? O_TRUNC : 0) |
    (wanted & WANT.exclusive ? O_EXCL : 0)
  );
}

/** How attributes are set: on a path, on the link at a path, or on an open file. */
export interface Setters {
  readonly size?: (size: number) => void;
  readonly permissions: (mode: number) => void;
  readonly times: (accessed: number, modified: number) => void;
  readonly owner: (uid: number, gid: number) => void;
}

/** Sets all that can be set, as sshd's server does: one failure does not keep the others from being tried. */
export function apply(wanted: Attributes, set: Setters): void {
  let failure: unknown;
  const attempt = (what: () => void): void => {
    try {
      what();
    } catch (error) {
      failure ??= error;
    }
  };
  const { size, permissions, times, owner } = wanted;
  if (size !== undefined) attempt(() => set.size?.(size));
  // The owner before the mode: a change of owner takes setuid and setgid away.
  if (owner !== undefined) attempt(() => set.owner(owner.uid, owner.gid));
  if (permissions !== undefined) attempt(() => set.permissions(permissions));
  // Last, since the others touch the times.
  if (times !== undefined) attempt(() => set.times(times.accessed, times.modified));
  if (failure !== undefined) throw failure;
}

export const onPath = (path: Buffer): Setters => ({
  size: (size) => truncateSync(path, size),
  permissions: (mode) => chmodSync(path, mode),
  owner: (uid, gid) => chownSync(path, uid, gid),
  times: (accessed, modified) => utimesSync(path, accessed, modified),
});
export const onLink = (path: Buffer): Setters => ({
  permissions: (mode) => {
    // Linux has no permissions on a link, and following it is not what was asked for.
    if (lstatSync(path).isSymbolicLink()) throw new Refused(STATUS.unsupported);
    chmodSync(path, mode);
  },
  owner: (uid, gid) => lchownSync(path, uid, gid),
  times: (accessed, modified) => lutimesSync(path, accessed, modified),
});
const onFile = (fd: number): Setters => ({
  size: (size) => ftruncateSync(fd, size),
  permissions: (mode) => fchmodSync(fd, mode),
  owner: (uid, gid) => fchownSync(fd, uid, gid),
  times: (accessed, modified) => futimesSync(fd, accessed, modified),
});

/** Reads at a place; what has no places (a pipe, a device) is read where it is. */
export function readAt(fd: number, into: Buffer, from: number, length: number, position: number): number {
  try {
    return readSync(fd, into, from, length, position);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESPIPE") throw error;
    return readSync(fd, into, from, length, null);
  }
}

/** Writes all of it at a place, however many calls that takes. */
export function writeAt(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length;) {
    try {
      done += writeSync(fd, data, done, data.length - done, position + done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESPIPE") throw error;
      done += writeSync(fd, data, done, data.length - done, null);
    }
  }
}

const DOT = Buffer.from(".");
const DOT_DOT = Buffer.from("..");
/** A READDIR answer is closed when it has this many bytes; a directory of any size takes several. */
const NAMES_BYTES = 48 * 1024;

function readNames(id: number, handleBytes: Buffer, { handles, accounts }: Context): Buffer {
  const directory = handles.directory(handleBytes);
  if (directory.names.length === 0) throw new Refused(STATUS.eof);
  const now = Date.now();
  const entries = new Writer(NAME, 64 * 1024).uint32(id).uint32(0);
  let count = 0;
  while (entries.length < NAMES_BYTES) {
    const name = directory.names.pop();
    if (name === undefined) break;
    let stats: Stats;
    try {
      stats = lstatSync(Buffer.concat([directory.path, Buffer.from("/"), name]));
    } catch {
      continue; // gone since it was listed
    }
    writeAttributes(entries.string(name).string(longName(name, stats, accounts, now)), stats);
    count += 1;
  }
  if (count === 0) throw new Refused(STATUS.eof);
  const answer = entries.finish();
  answer.writeUInt32BE(count, 4 + 1 + 4);
  return answer;
}

/** Version 3's rename never replaces (draft §6.5): a link first fails where the new name is taken, without a race. */
function rename(from: Buffer, to: Buffer): void {
  if (lstatSync(from).isFile()) {
    try {
      linkSync(from, to);
      return unlinkSync(from);
    } catch (error) {
      // File systems without hard links.
      if (!["EPERM", "EOPNOTSUPP", "ENOTSUP", "EXDEV", "EMLINK"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
    }
  }
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw new Refused(STATUS.failure, "File exists");
  renameSync(from, to);
}

export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [
    3, // OPEN
    (id, packet, { handles }) => {
      const path = pathOf(packet);
      const wanted = packet.uint32();
      const { permissions = 0o666 } = readAttributes(packet);
      handles.room();
      const fd = openSync(path, openFlags(wanted), permissions);
      try {
        if (fstatSync(fd).isDirectory()) throw new Refused(STATUS.failure, "Is a directory");
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      return handle(id, handles.add({ kind: "file", fd, path }));
    },
  ],
  [
    4, // CLOSE
    (id, packet, { handles }) => {
      handles.close(packet.string());
      return ok(id);
    },
  ],
  [
    5, // READ
    (id, packet, { handles }) => {
      const { fd } = handles.file(packet.string());
      const position = packet.uint64();
      const length = Math.min(packet.uint32(), MAX_DATA);
      // Read to where it is sent from: a length, the type, the id, the data's length, the data.
      const answer = Buffer.allocUnsafe(13 + length);
      const count = readAt(fd, answer, 13, length, position);
      if (count === 0 && length > 0) throw new Refused(STATUS.eof);
      answer.writeUInt32BE(9 + count, 0);
      answer.writeUInt8(DATA, 4);
      answer.writeUInt32BE(id, 5);
      answer.writeUInt32BE(count, 9);
      return answer.subarray(0, 13 + count);
    },
  ],
  [
    6, // WRITE
    (id, packet, { handles }) => {
      const { fd } = handles.file(packet.string());
      const position = packet.uint64();
      writeAt(fd, packet.string(), position);
      return ok(id);
    },
  ],
  [7, (id, packet) => attributes(id, lstatSync(pathOf(packet)))], // LSTAT
  [8, (id, packet, { handles }) => attributes(id, fstatSync(handles.file(packet.string()).fd))], // FSTAT
  [
    9, // SETSTAT
    (id, packet) => {
      const path = pathOf(packet);
      apply(readAttributes(packet), onPath(path));
      return ok(id);
    },
  ],
  [
    10, // FSETSTAT
    (id, packet, { handles }) => {
      const { fd } = handles.file(packet.string());
      apply(readAttributes(packet), onFile(fd));
      return ok(id);
    },
  ],
  [
    11, // OPENDIR
    (id, packet, { handles }) => {
      const path = pathOf(packet);
      handles.room();
      const names: Buffer[] = readdirSync(path, { encoding: "buffer" });
      return handle(id, handles.add({ kind: "directory", path, names: [...names.reverse(), DOT_DOT, DOT] }));
    },
  ],
  [12, (id, packet, context) => readNames(id, packet.string(), context)], // READDIR
  [
    13, // REMOVE
    (id, packet) => {
      unlinkSync(pathOf(packet));
      return ok(id);
    },
  ],
  [
    14, // MKDIR
    (id, packet) => {
      const path = pathOf(packet);
      mkdirSync(path, { mode: readAttributes(packet).permissions ?? 0o777 });
      return ok(id);
    },
  ],
  [
    15, // RMDIR
    (id, packet) => {
      rmdirSync(pathOf(packet));
      return ok(id);
    },
  ],
  [16, (id, packet) => nameOnly(id, real(pathOf(packet)))], // REALPATH
  [17, (id, packet) => attributes(id, statSync(pathOf(packet)))], // STAT
  [
    18, // RENAME
    (id, packet) => {
      rename(pathOf(packet), pathOf(packet));
      return ok(id);
    },
  ],
  [19, (id, packet) => nameOnly(id, readlinkSync(pathOf(packet), { encoding: "buffer" }))], // READLINK
  [
    20, // SYMLINK
    (id, packet) => {
      // The target comes first: OpenSSH swapped the two by mistake, and every client follows it (PROTOCOL §4.1).
      symlinkSync(pathOf(packet), pathOf(packet));
      return ok(id);
    },
  ],
]);
