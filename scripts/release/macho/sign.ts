// Takes off whatever signature a Mach-O file has and puts an ad-hoc one in its place. Bun 1.4.5 leaves on darwin-x64 the
// signature of its own runtime, made before our program was put into it, and macOS kills a program at the first stale page.
import { createHash } from "node:crypto";
import { ADHOC, CODE_DIRECTORY, EMBEDDED_SIGNATURE, HASH_SHA256, layoutOf } from "./layout.ts";

const PAGE_BITS = 12;
const PAGE_BYTES = 2 ** PAGE_BITS;
/** Segments are mapped by pages of the largest size that a Mac has. */
const VM_PAGE_BYTES = 16384;
/** The version of the code directory that says where the main program's text lies. */
const VERSION = 0x20400;
const DIRECTORY_BYTES = 88;
const SUPERBLOB_BYTES = 20;
const MAIN_BINARY = 1n;
const CODE_DIRECTORY_SLOT = 0;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Takes a thin 64-bit Mach-O file and the name the signature gives it; gives the signed file's bytes. */
export function sign(file: Buffer, identifier: string): Buffer {
  const { text, linkedit, signature } = layoutOf(file);
  const limit = signature.offset;
  if (limit % 16 !== 0) throw new Error("the old signature does not start where a new one may");
  const name = Buffer.from(`${identifier}\0`);
  const pages = Math.ceil(limit / PAGE_BYTES);
  const hashesAt = DIRECTORY_BYTES + name.length;
  const directoryBytes = hashesAt + pages * 32;
  const size = align(SUPERBLOB_BYTES + directoryBytes, 16);

  const signed = Buffer.concat([file.subarray(0, limit), Buffer.alloc(size)]);
  // Before hashing: these fields are in the first page.
  signed.writeUInt32LE(size, signature.command + 12);
  const linkeditBytes = limit + size - linkedit.offset;
  signed.writeBigUInt64LE(BigInt(align(linkeditBytes, VM_PAGE_BYTES)), linkedit.command + 32);
  signed.writeBigUInt64LE(BigInt(linkeditBytes), linkedit.command + 48);

  const blob = signed.subarray(limit);
  writeWords(blob, [EMBEDDED_SIGNATURE, SUPERBLOB_BYTES + directoryBytes, 1, CODE_DIRECTORY_SLOT, SUPERBLOB_BYTES]);
  const directory = blob.subarray(SUPERBLOB_BYTES);
  const specialSlots = 0;
  writeWords(directory, [
    CODE_DIRECTORY,
    directoryBytes,
    VERSION,
    ADHOC,
    hashesAt,
    DIRECTORY_BYTES,
    specialSlots,
    pages,
    limit,
  ]);
  directory.set([32, HASH_SHA256, 0, PAGE_BITS], 36);
  directory.writeBigUInt64BE(BigInt(text.offset), 64);
  directory.writeBigUInt64BE(BigInt(text.size), 72);
  directory.writeBigUInt64BE(MAIN_BINARY, 80);
  name.copy(directory, DIRECTORY_BYTES);
  for (let page = 0; page < pages; page++) {
    const bytes = signed.subarray(page * PAGE_BYTES, Math.min((page + 1) * PAGE_BYTES, limit));
    createHash("sha256")
      .update(bytes)
      .digest()
      .copy(directory, hashesAt + page * 32);
  }
  return signed;
}

function writeWords(to: Buffer, words: readonly number[]): void {
  for (const [i, word] of words.entries()) to.writeUInt32BE(word, 4 * i);
}
