// The throwaway key of a session, made in this process and written as OpenSSH writes one (PROTOCOL.key), so that no
// ssh-keygen is started; and the reading of public key blobs, so that nothing malformed is ever pinned.
import { randomBytes } from "../platform/digest.ts";

export interface KeyPair {
  /** The text of `id_ed25519`. */
  readonly privateText: string;
  /** `ssh-ed25519 AAAA… comment`, as it is sent to the control plane. */
  readonly publicLine: string;
  /** The public half as RFC 4253 §6.6 has it. */
  readonly blob: Buffer;
}

const LINE = 70;

/** Makes a key. Takes the comment, one line of it. */
export async function generateKey(comment: string): Promise<KeyPair> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", (pair as CryptoKeyPair).privateKey);
  const seed = Buffer.from(jwk.d as string, "base64url");
  const point = Buffer.from(jwk.x as string, "base64url");
  const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(point)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([check, check, blob, sshString(Buffer.concat([seed, point])), sshString(comment)]);
  // Padded 1, 2, 3… to the block size of the cipher, which is 8 for "none".
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1));
  const whole = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(blob),
    sshString(Buffer.concat([secret, padding])),
  ]).toString("base64");
  const lines = whole.match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return {
    privateText: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicLine: `ssh-ed25519 ${blob.toString("base64")} ${comment}`,
    blob,
  };
}

/** `SHA256:…`, as ssh prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${new Bun.CryptoHasher("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

const CURVES: Record<string, readonly [curve: string, point: number]> = {
  "ecdsa-sha2-nistp256": ["nistp256", 65],
  "ecdsa-sha2-nistp384": ["nistp384", 97],
  "ecdsa-sha2-nistp521": ["nistp521", 133],
};
/** 2048 bits; a shorter RSA key is no proof of anything today. */
const LEAST_RSA_BYTES = 256;
const MOST_RSA_BYTES = 2048;

/**
 * Takes a key type of known_hosts and base64; whether it is a whole public key of just that type: Ed25519, ECDSA over
 * the NIST curves, or RSA of at least 2048 bits. Certificates, DSA and security-key types are not host keys here.
 */
export function isHostKey(type: string, base64: string): boolean {
  const blob = decodeBase64(base64);
  const reader = blob && new BlobReader(blob);
  if (!reader || reader.string()?.toString("latin1") !== type) return false;
  if (type === "ssh-ed25519") return reader.string()?.length === 32 && reader.atEnd;
  if (type === "ssh-rsa") {
    const exponent = reader.string();
    const modulus = reader.string();
    if (!exponent || !modulus || !reader.atEnd) return false;
    // A positive mpint whose top bit is set has a leading zero byte (RFC 4251 §5).
    const bytes = modulus[0] === 0 ? modulus.length - 1 : modulus.length;
    const positive = (modulus[0] ?? 0x80) < 0x80 && (exponent[0] ?? 0x80) < 0x80;
    return positive && exponent.length <= 9 && bytes >= LEAST_RSA_BYTES && bytes <= MOST_RSA_BYTES;
  }
  const [curve, length] = (Object.hasOwn(CURVES, type) && CURVES[type]) || [];
  if (curve === undefined) return false;
  const named = reader.string()?.toString("latin1");
  const point = reader.string();
  return named === curve && point?.length === length && point?.[0] === 4 && reader.atEnd;
}

const CERTIFICATE_TYPE = "ssh-ed25519-cert-v01@openssh.com";
const USER_CERTIFICATE = 1;

/**
 * Takes a certificate's text and the public half of the key it must be for; gives the line to write as
 * `id_ed25519-cert.pub`, or null when it is malformed, of another kind, or for another key (PROTOCOL.certkeys).
 */
export function userCertificate(text: string, key: Buffer): string | null {
  const [type, base64, ...comment] = text.trim().split(/[ \t]+/);
  if (type !== CERTIFICATE_TYPE || base64 === undefined || comment.length > 1 || /[\r\n]/.test(text.trim()))
    return null;
  const blob = decodeBase64(base64);
  const reader = blob && new BlobReader(blob);
  if (!reader || reader.string()?.toString("latin1") !== CERTIFICATE_TYPE) return null;
  const nonce = reader.string();
  const point = reader.string();
  if (!nonce || !point || !key.equals(Buffer.concat([sshString("ssh-ed25519"), sshString(point)]))) return null;
  const serial = reader.take(8);
  const kind = reader.take(4);
  const keyId = reader.string();
  const principals = reader.string();
  const validity = reader.take(16);
  const options = [reader.string(), reader.string(), reader.string()];
  const signer = reader.string();
  const signature = reader.string();
  const whole = [serial, keyId, principals, validity, signer, signature, ...options].every((part) => part !== null);
  if (!whole || !reader.atEnd || kind?.readUInt32BE(0) !== USER_CERTIFICATE) return null;
  return `${CERTIFICATE_TYPE} ${base64}`;
}

/** Strict base64: what decodes must encode to the same text, so no two texts mean one key. Null otherwise. */
function decodeBase64(text: string): Buffer | null {
  if (text.length > 8192 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

/** Reads SSH's strings from a blob; null where there is not enough left. */
class BlobReader {
  #at = 0;
  readonly #bytes: Buffer;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  take(length: number): Buffer | null {
    if (this.#at + length > this.#bytes.length) return null;
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }
  string(): Buffer | null {
    const length = this.take(4);
    return length && this.take(length.readUInt32BE(0));
  }
  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sshString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}
