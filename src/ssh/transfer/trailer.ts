// The line that ends a stream in either direction: fixed in length, with the transfer's key and the content's SHA-256.
import { randomBytes } from "../../platform/digest.ts";

/** 16 hexadecimal digits, new for each transfer; also in the name of its temporary file. */
export function newKey(): string {
  return randomBytes(8).toString("hex");
}

/** In bytes, the line's end included. */
export const TRAILER_LENGTH = "runcode-end ".length + 16 + 1 + 64 + 1;

export function endLine(key: string, sha256: string): Buffer {
  return Buffer.from(`runcode-end ${key} ${sha256}\n`, "latin1");
}

/** Gives what stands in the hash's place (a hash, x… where reading failed, -… where there is no hash program), or null when it is no trailer. */
export function readEndLine(bytes: Uint8Array, key: string): string | null {
  const text = Buffer.from(bytes).toString("latin1");
  return text.length === TRAILER_LENGTH && text.startsWith(`runcode-end ${key} `) && text.endsWith("\n")
    ? text.slice(-65, -1).trim()
    : null;
}
