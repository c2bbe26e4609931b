// Who is there: public keys only, Ed25519 only (the control plane registers nothing else).
import { createPublicKey, verify } from "node:crypto";
import type { AuthContext, Connection as Client } from "ssh2";
import type { Access, Grant } from "../workspaces/access.ts";
import { sshString } from "./wire.ts";

const PREFIX = Buffer.concat([sshString("ssh-ed25519"), Buffer.from([0, 0, 0, 32])]);
/** A signature that verifies is 64 bytes (RFC 8709 §6). */
const SIGNATURE_BYTES = 64;

/** Takes a key blob as it came over the wire; true when `signature` over `data` is its. Never throws. */
export function signed(blob: Buffer, data: Buffer, signature: Buffer): boolean {
  if (blob.length !== PREFIX.length + 32 || !blob.subarray(0, PREFIX.length).equals(PREFIX)) return false;
  if (signature.length !== SIGNATURE_BYTES) return false;
  try {
    const x = blob.subarray(PREFIX.length).toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    return verify(null, data, key, signature);
  } catch {
    return false;
  }
}

export interface Verdicts {
  readonly granted: (grant: Grant) => void;
  readonly denied: (tries: number) => void;
  /** Too many tries: the caller ends the connection. */
  readonly exhausted: () => void;
}

/**
 * Answers the client's authentication requests until one is granted. The question "would you take this key" (RFC 4252 §7)
 * gets a yes only where the pair of name and key opens something, so a name alone is never confirmed.
 */
export function authenticate(client: Client, access: Access, maxTries: number, verdicts: Verdicts): void {
  let tries = 0;
  const no = (context: AuthContext): void => {
    // The first `none` is how a client asks what there is; it is no attempt.
    if (context.method !== "none" || tries > 0) tries += 1;
    if (tries >= maxTries) verdicts.exhausted();
    else context.reject(["publickey"]);
    if (context.method === "publickey") verdicts.denied(tries);
  };
  client.on("authentication", (context) => {
    if (context.method !== "publickey" || context.key.algo !== "ssh-ed25519") return no(context);
    const grant = access.authenticate(context.username, context.key.data);
    if (context.signature === undefined || context.blob === undefined)
      return grant === null ? no(context) : context.accept();
    // Verified even for a key that is unknown, so that both kinds of no take as long.
    const genuine = signed(context.key.data, context.blob, context.signature);
    if (!genuine || grant === null) return no(context);
    verdicts.granted(grant);
    context.accept();
  });
}
