// Checks an ad-hoc signature the way the kernel does when a page is touched: by hashing it.
import { createHash } from "node:crypto";
import { ADHOC, CODE_DIRECTORY, EMBEDDED_SIGNATURE, HASH_SHA256, layoutOf } from "./layout.ts";

export interface Verdict {
  readonly identifier: string;
  readonly pages: number;
  /** What is wrong, in words; empty for a signature that macOS takes. */
  readonly faults: readonly string[];
}

/** Takes the bytes of a thin 64-bit Mach-O file; hashes every page of it. */
export function verify(file: Buffer): Verdict {
  const { signature, linkedit } = layoutOf(file);
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
  expect(signature.offset + signature.size === file.length, "the signature does not end the file");
  expect(linkedit.offset + linkedit.size === file.length, "__LINKEDIT does not end the file");

  const blob = file.subarray(signature.offset);
  if (blob.readUInt32BE(0) !== EMBEDDED_SIGNATURE) return { identifier: "", pages: 0, faults: ["no signature there"] };
  const parts = Array.from({ length: blob.readUInt32BE(8) }, (_, i) => blob.readUInt32BE(12 + 8 * i + 4));
  const at = parts.find((offset) => blob.readUInt32BE(offset) === CODE_DIRECTORY);
  if (at === undefined) return { identifier: "", pages: 0, faults: ["no code directory"] };
  // An ad-hoc signature is a code directory alone: requirements, entitlements or a certificate are another program's.
  expect(parts.length === 1, "the signature holds more than a code directory");

  const directory = blob.subarray(at, at + blob.readUInt32BE(at + 4));
  const field = (index: number): number => directory.readUInt32BE(4 * index);
  const [hashesAt, identifierAt, pages, limit] = [field(4), field(5), field(7), field(8)];
  const [hashBytes, hashKind, pageBits] = [directory[36] ?? 0, directory[37], directory[39] ?? 0];
  const pageBytes = 2 ** pageBits;
  expect((field(3) & ADHOC) !== 0, "the signature is not ad-hoc");
  expect(hashKind === HASH_SHA256, "the hashes are not SHA-256");
  expect(limit === signature.offset, "the hashes do not cover the file up to the signature");
  expect(pages === Math.ceil(limit / pageBytes), "there is not one hash for every page");

  let stale = 0;
  for (let page = 0; page < pages; page++) {
    const bytes = file.subarray(page * pageBytes, Math.min((page + 1) * pageBytes, limit));
    const hash = createHash("sha256").update(bytes).digest().subarray(0, hashBytes);
    const start = hashesAt + page * hashBytes;
    if (!hash.equals(directory.subarray(start, start + hashBytes))) stale += 1;
  }
  expect(stale === 0, `${stale} of ${pages} pages do not have their hash`);
  const identifier = directory.toString("utf8", identifierAt, directory.indexOf(0, identifierAt));
  return { identifier, pages, faults };
}
