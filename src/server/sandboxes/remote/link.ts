// What both ends know of a link: a Unix socket in a directory that the server's machine and the sandbox share. The helper is
// started over a slow stream that the engine keeps; over it the server gives it a secret, with the secret it is let in at the
// socket, and one byte of its own on the stream says which of the two carries the conversation from then on.

/** Where the directory is inside, read-only; the socket in it. */
export const LINK_DIR = "/.runcode-link";
export const LINK_SOCKET = "socket";

/** The first that the server says on the stream, and the first at the socket; good for one helper, once. */
export const SECRET_BYTES = 32;
/** The server's answer at the socket to whoever has the secret. */
export const ADMITTED = 1;
/**
 * Where the system passes descriptors, the helper connects a second time with the same secret, and is answered by a descriptor
 * with this id in place of a byte: that it came is the proof that they do. Then they come that way, with ids from 0 on.
 */
export const PROOF = 0xffff_ffff;
/** The helper's word on the stream. */
export const BY_LINK = 1;
export const BY_STREAM = 2;

/** Gives the first bytes from one who says no more than these before he is answered; fewer where the stream ends before. */
export async function firstBytes(words: AsyncIterator<Uint8Array>, count = SECRET_BYTES): Promise<Buffer> {
  let sofar = Buffer.alloc(0);
  while (sofar.length < count) {
    const { done, value } = await words.next();
    if (done) break;
    sofar = Buffer.concat([sofar, value]);
  }
  return sofar;
}
