// A session's public key on its way in: Ed25519 in exactly one spelling, or nothing.
import { createHash } from "node:crypto";
import { RuncodeError } from "../../protocol/errors.ts";

const TYPE = "ssh-ed25519";
/** RFC 8709 §4: string "ssh-ed25519", string of 32 bytes, each behind its length in 4 bytes. */
const HEADER = Buffer.concat([Buffer.from([0, 0, 0, TYPE.length]), Buffer.from(TYPE), Buffer.from([0, 0, 0, 32])]);

/**
 * Takes an OpenSSH public key line; gives the key blob and its fingerprint as ssh-keygen prints it. Throws RuncodeError
 * `bad_request` for any other type, length or spelling (two spellings of one key would be two sessions).
 */
export function parseSessionKey(line: string): { readonly blob: Buffer; readonly fingerprint: string } {
  const [type, encoded = ""] = line.split(" ");
  const blob = Buffer.from(encoded, "base64");
  const wellFormed =
    type === TYPE &&
    blob.toString("base64") === encoded &&
    blob.length === HEADER.length + 32 &&
    blob.subarray(0, HEADER.length).equals(HEADER);
  if (!wellFormed) throw new RuncodeError("bad_request", "public_key must be one ssh-ed25519 key in OpenSSH's format");
  return { blob, fingerprint: fingerprintOf(blob) };
}

/** `SHA256:…` of a key blob. */
function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
