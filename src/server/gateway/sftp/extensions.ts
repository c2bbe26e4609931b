// OpenSSH's extensions that its own tools and sshfs use (PROTOCOL §4 in its sources): name → version announced and what it does.
import { fsyncSync, linkSync, renameSync, statfsSync } from "node:fs";
import type { StatsFs } from "node:fs";
import { readAttributes } from "./attributes.ts";
import { MAX_HANDLES } from "./handles.ts";
import { apply, nameOnly, ok, onLink, readAt, writeAt } from "./operations.ts";
import type { Context, Operation } from "./operations.ts";
import { MAX_DATA, MAX_PACKET, Writer } from "./packet.ts";
import { pathOf, real } from "./paths.ts";
import { Refused, STATUS } from "./status.ts";

interface Extension {
  readonly version: string;
  readonly run: Operation;
}

const EXTENDED_REPLY = 201;
const LONGEST_NAME = 255;
const COPY_BYTES = 1024 * 1024;

/** Node and Bun give no fsid, flags or longest name; the first two are 0 as where the system hides them. */
function fileSystem(id: number, stats: StatsFs): Buffer {
  const reply = new Writer(EXTENDED_REPLY).uint32(id);
  const fields = [
    stats.bsize,
    stats.bsize,
    stats.blocks,
    stats.bfree,
    stats.bavail,
    stats.files,
    stats.ffree,
    stats.ffree,
    0,
    0,
    LONGEST_NAME,
  ];
  for (const field of fields) reply.uint64(Math.max(0, field));
  return reply.finish();
}

function home(user: string, { home, accounts }: Context): Buffer {
  const found = user === "" ? home : accounts.homeOf(user);
  if (found === undefined) throw new Refused(STATUS.noSuchFile, "No such user");
  return Buffer.from(found);
}

const TILDE = 0x7e;
/** `~`, `~/x` and `~user/x` become absolute; anything else is as in REALPATH. */
function expand(path: Buffer, context: Context): Buffer {
  if (path[0] !== TILDE) return real(path);
  const slash = path.indexOf("/");
  const end = slash < 0 ? path.length : slash;
  return real(Buffer.concat([home(path.toString("utf8", 1, end), context), path.subarray(end)]));
}

export const EXTENSIONS: ReadonlyMap<string, Extension> = new Map<string, Extension>([
  [
    "posix-rename@openssh.com",
    {
      version: "1",
      run: (id, packet) => {
        renameSync(pathOf(packet), pathOf(packet));
        return ok(id);
      },
    },
  ],
  ["statvfs@openssh.com", { version: "2", run: (id, packet) => fileSystem(id, statfsSync(pathOf(packet))) }],
  [
    "fstatvfs@openssh.com",
    { version: "2", run: (id, packet, { handles }) => fileSystem(id, statfsSync(handles.file(packet.string()).path)) },
  ],
  [
    "hardlink@openssh.com",
    {
      version: "1",
      run: (id, packet) => {
        linkSync(pathOf(packet), pathOf(packet));
        return ok(id);
      },
    },
  ],
  [
    "fsync@openssh.com",
    {
      version: "1",
      run: (id, packet, { handles }) => {
        fsyncSync(handles.file(packet.string()).fd);
        return ok(id);
      },
    },
  ],
  [
    "lsetstat@openssh.com",
    {
      version: "1",
      run: (id, packet) => {
        const path = pathOf(packet);
        apply(readAttributes(packet), onLink(path));
        return ok(id);
      },
    },
  ],
  [
    "limits@openssh.com",
    {
      version: "1",
      run: (id) =>
        new Writer(EXTENDED_REPLY)
          .uint32(id)
          .uint64(MAX_PACKET)
          .uint64(MAX_DATA)
          .uint64(MAX_DATA)
          .uint64(MAX_HANDLES)
          .finish(),
    },
  ],
  [
    "expand-path@openssh.com",
    { version: "1", run: (id, packet, context) => nameOnly(id, expand(pathOf(packet), context)) },
  ],
  ["home-directory", { version: "1", run: (id, packet, context) => nameOnly(id, home(packet.text(), context)) }],
  [
    "copy-data",
    {
      version: "1",
      run: (id, packet, { handles }) => {
        const source = handles.file(packet.string());
        let from = packet.uint64();
        const wanted = packet.uint64();
        const target = handles.file(packet.string());
        let to = packet.uint64();
        // Onto itself it would never end; the extension forbids it.
        if (source === target) throw new Refused(STATUS.failure, "The same file");
        const block = Buffer.allocUnsafe(COPY_BYTES);
        let left = wanted === 0 ? Number.POSITIVE_INFINITY : wanted;
        while (left > 0) {
          const count = readAt(source.fd, block, 0, Math.min(block.length, left), from);
          if (count === 0) break;
          writeAt(target.fd, block.subarray(0, count), to);
          from += count;
          to += count;
          left -= count;
        }
        return ok(id);
      },
    },
  ],
  [
    "users-groups-by-id@openssh.com",
    {
      version: "1",
      run: (id, packet, { accounts }) => {
        const names = (ids: Buffer, name: (id: number) => string): Buffer => {
          const list = new Writer(0);
          for (let at = 0; at + 4 <= ids.length; at += 4) list.string(name(ids.readUInt32BE(at)));
          return list.finish().subarray(5);
        };
        const users = names(packet.string(), (uid) => accounts.userName(uid));
        const groups = names(packet.string(), (gid) => accounts.groupName(gid));
        return new Writer(EXTENDED_REPLY).uint32(id).string(users).string(groups).finish();
      },
    },
  ],
]);
