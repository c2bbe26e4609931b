// Memory given back at once. What a client sends is read into memory of its own for each read and for each packet, and the
// garbage collector lets some 300 MB of it gather while a file is put, every page of which the kernel has to find and clear.

/** Less than this is not worth the call, and may be a part of what Buffer shares out. In bytes. */
const LEAST = 16 * 1024;
/** What may surround the bytes in memory that is theirs alone: a packet's header, and its padding. */
const MOST_AROUND = 512;

/** Takes bytes that nobody uses any more, nor the memory around them. From then on they are none. */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < LEAST || buffer.byteLength - byteLength > MOST_AROUND) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
