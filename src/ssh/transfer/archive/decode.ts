// An archive that comes from elsewhere, entry by entry. Nothing in it is believed: every length is bounded, every checksum
// counted, and what is odd ends the reading.
import { RuncodeError } from "../../../protocol/errors.ts";
import type { ByteReader } from "./bytes.ts";
import { checksum } from "./encode.ts";
import { BILLION, BLOCK, padding, type Entry, type EntryType } from "./entry.ts";

const TYPES: Record<string, EntryType> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
  "3": "other",
  "4": "other",
  "6": "other",
};
/** Longer than any path a kernel takes, in bytes; it bounds what a header may make us keep. */
const MAX_EXTRA = 256 * 1024;
/** Of pax, long names and the like before one entry. */
const MAX_EXTRAS = 16;

const EMPTY = Buffer.alloc(BLOCK);

interface Extras {
  path?: Buffer;
  link?: Buffer;
  size?: number;
  mtimeNs?: bigint;
}

/**
 * Reads the headers of the next entry; gives null at the archive's end. The caller then reads `size` bytes and calls
 * `skipPadding`. Throws RuncodeError `io` for what is not an archive.
 */
export async function nextEntry(bytes: ByteReader): Promise<Entry | null> {
  const extras: Extras = {};
  for (let count = 0; count <= MAX_EXTRAS; count++) {
    const header = await bytes.exactly(BLOCK);
    if (header.equals(EMPTY)) {
      if (count > 0) throw bad("a header without an entry");
      return null;
    }
    if (number(header, 148, 8) !== checksum(header)) throw bad("a wrong checksum");
    const flag = String.fromCharCode(header[156] ?? 0);
    const size = number(header, 124, 12);
    if (!"xgLK".includes(flag)) return entry(header, flag, extras);
    if (size > MAX_EXTRA) throw bad("a header of absurd length");
    const body = Buffer.from(await bytes.exactly(size));
    await skipPadding(bytes, size);
    if (flag === "L") extras.path = upToNul(body);
    else if (flag === "K") extras.link = upToNul(body);
    // A global header is about the whole archive; none of the three writes one with what matters here.
    else if (flag === "x") readPax(body, extras);
  }
  throw bad("too many headers for one entry");
}

/** Passes over what fills up the last block of a body. */
export async function skipPadding(bytes: ByteReader, size: number): Promise<void> {
  await bytes.exactly(padding(size));
}

function entry(header: Buffer, flag: string, extras: Extras): Entry {
  const type = TYPES[flag];
  if (type === undefined) throw bad(`an entry of kind ${JSON.stringify(flag)}`);
  // POSIX ustar splits a long name into prefix and name; GNU's own magic has other fields there.
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? upToNul(header.subarray(345, 500)) : null;
  const short = upToNul(header.subarray(0, 100));
  const split = prefix && prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), short]) : Buffer.from(short);
  const name = extras.path ?? split;
  if (name.length === 0 || name.includes(0)) throw bad("an entry without a name");
  const link = extras.link ?? Buffer.from(upToNul(header.subarray(157, 257)));
  const isLink = type === "symlink" || type === "hardlink";
  if (isLink && (link.length === 0 || link.includes(0))) throw bad("a link that leads nowhere");
  // A name that ends in a slash is a directory, whatever old archives call it.
  const directory = type === "directory" || (type === "file" && name.at(-1) === 0x2f);
  return {
    name,
    type: directory ? "directory" : type,
    mode: number(header, 100, 8) & 0o7777,
    size: type === "file" ? (extras.size ?? number(header, 124, 12)) : 0,
    mtimeNs: extras.mtimeNs ?? BigInt(signed(header, 136, 12)) * BILLION,
    link: isLink ? link : Buffer.alloc(0),
  };
}

/** `<length> <key>=<value>\n`, one after the other; the values are bytes. */
function readPax(body: Buffer, extras: Extras): void {
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? 0 : Number(body.toString("latin1", at, space));
    const end = at + length;
    const equals = body.indexOf(0x3d, space);
    if (!Number.isInteger(length) || length < 5 || end > body.length || equals < 0 || equals >= end)
      throw bad("a damaged pax header");
    const key = body.toString("latin1", space + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    if (key === "path") extras.path = value;
    else if (key === "linkpath") extras.link = value;
    else if (key === "size") extras.size = size(value.toString("latin1"));
    else if (key === "mtime") extras.mtimeNs = nanoseconds(value.toString("latin1"));
    else if (key.startsWith("GNU.sparse.")) throw bad("a sparse file, which was not asked for");
    at = end;
  }
}

function size(text: string): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw bad("a size that is none");
  return value;
}

function nanoseconds(text: string): bigint {
  const parts = /^(-?)(\d{1,15})(?:\.(\d{1,20}))?$/.exec(text);
  if (!parts) throw bad("a time that is none");
  const ns = BigInt(parts[2] as string) * BILLION + BigInt((parts[3] ?? "").slice(0, 9).padEnd(9, "0"));
  return parts[1] === "-" ? -ns : ns;
}

function number(header: Buffer, at: number, width: number): number {
  const value = signed(header, at, width);
  if (value < 0) throw bad("a negative number");
  return value;
}

function signed(header: Buffer, at: number, width: number): number {
  const field = header.subarray(at, at + width);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const bits = BigInt(width * 8 - 1);
    const raw = field.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ((1n << bits) - 1n);
    const value = Number(BigInt.asIntN(Number(bits), raw));
    if (!Number.isSafeInteger(value)) throw bad("a number beyond all bounds");
    return value;
  }
  // By the byte: three numbers an entry, and a tree may have a hundred thousand.
  let value = 0;
  let digits = 0;
  for (let i = 0; i < width; i++) {
    const byte = field[i] as number;
    if (byte === 0 || (byte === 0x20 && digits > 0)) break;
    if (byte === 0x20) continue;
    if (byte < 0x30 || byte > 0x37) throw bad("a number that is none");
    value = value * 8 + byte - 0x30;
    digits++;
  }
  return value;
}

function upToNul(field: Buffer): Buffer {
  const nul = field.indexOf(0);
  return nul < 0 ? field : field.subarray(0, nul);
}

function bad(what: string): RuncodeError {
  return new RuncodeError("io", `the workspace's tar sent ${what}`, { hint: "nothing was changed here" });
}
