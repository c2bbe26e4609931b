// Hashes and chance, from the runtime itself: node:crypto does the same, and takes as long to load as a program to start.

/** Gives the SHA-256 in lower-case hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(data).digest("hex");
}

/** Gives that many unguessable bytes. */
export function randomBytes(count: number): Buffer {
  return crypto.getRandomValues(Buffer.alloc(count));
}
