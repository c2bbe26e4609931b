// The server's own key: from the text it is kept in to what ssh2 signs with and what clients pin.
import { createPrivateKey, randomBytes } from "node:crypto";
import { RuncodeError } from "../../protocol/errors.ts";
import { sshString } from "./wire.ts";

export interface HostKey {
  /** The private key in OpenSSH's own format, which is the only Ed25519 format that ssh2 reads. */
  readonly openssh: string;
  /** `ssh-ed25519 AAAA…`, without a host pattern. */
  readonly publicLine: string;
}

/** Reads an Ed25519 private key, PKCS#8 PEM or OpenSSH format, without a passphrase; throws RuncodeError `config_invalid`. */
export function readHostKey(text: string): HostKey {
  try {
    return text.includes("BEGIN OPENSSH PRIVATE KEY") ? fromOpenSsh(text) : fromPem(text);
  } catch (cause) {
    throw new RuncodeError("config_invalid", "the host key cannot be read as an unencrypted Ed25519 private key", {
      hint: "Make another one with `ssh-keygen -t ed25519 -N ''`.",
      cause,
    });
  }
}

const MAGIC = "openssh-key-v1\0";

/** Takes the public half out of openssh-key-v1 (PROTOCOL.key in OpenSSH's sources); the private half is ssh2's to check. */
function fromOpenSsh(text: string): HostKey {
  const body = Buffer.from(text.replace(/-----[^-]+-----/g, "").replace(/\s+/g, ""), "base64");
  if (body.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new Error("not openssh-key-v1");
  let at = MAGIC.length;
  const next = (): Buffer => {
    const length = body.readUInt32BE(at);
    const value = body.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  if (next().toString() !== "none") throw new Error("encrypted");
  next();
  next();
  at += 4; // the number of keys, always one
  const blob = next();
  if (!blob.subarray(4, 15).equals(Buffer.from("ssh-ed25519"))) throw new Error("not Ed25519");
  return { openssh: text, publicLine: `ssh-ed25519 ${blob.toString("base64")}` };
}

function fromPem(text: string): HostKey {
  const jwk = createPrivateKey(text).export({ format: "jwk" });
  if (jwk.crv !== "Ed25519" || jwk.x === undefined || jwk.d === undefined) throw new Error("not Ed25519");
  const publicKey = Buffer.from(jwk.x, "base64url");
  const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(publicKey)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([
    check,
    check,
    blob,
    sshString(Buffer.concat([Buffer.from(jwk.d, "base64url"), publicKey])),
    sshString(""),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const none = sshString("none");
  const one = Buffer.from([0, 0, 0, 1]);
  const body = Buffer.concat([
    Buffer.from(MAGIC),
    none,
    none,
    sshString(""),
    one,
    sshString(blob),
    sshString(Buffer.concat([secret, padding])),
  ]);
  const lines = body.toString("base64").match(/.{1,70}/g) ?? [];
  return {
    openssh: ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n"),
    publicLine: `ssh-ed25519 ${blob.toString("base64")}`,
  };
}
