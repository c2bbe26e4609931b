// A stream of chunks, read by the byte: so and so many, or as they come up to a number.
import { RuncodeError } from "../../../protocol/errors.ts";

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes, which are valid until the next call. Throws RuncodeError `ssh_failed` when the stream ends before. */
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0;) {
      const part = await this.some(left);
      if (part === null) {
        throw new RuncodeError("ssh_failed", "the stream from the workspace ended early", {
          phase: "remote",
          hint: "try again",
        });
      }
      if (part.length === count) return part;
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** At least one byte and at most `max`, or null at the end of the stream. */
  async some(max: number): Promise<Buffer | null> {
    if (!(await this.#fill())) return null;
    const part = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  /** Up to and without the line end, of about `max` bytes at most; null at the end of the stream. Throws RuncodeError `io` for a longer one. */
  async line(max: number): Promise<Buffer | null> {
    const parts: Buffer[] = [];
    for (let length = 0; length <= max;) {
      if (!(await this.#fill())) return parts.length > 0 ? Buffer.concat(parts) : null;
      const end = this.#chunk.indexOf(0x0a);
      if (end >= 0) {
        parts.push(this.#chunk.subarray(0, end));
        this.#chunk = this.#chunk.subarray(end + 1);
        return Buffer.concat(parts);
      }
      parts.push(this.#chunk);
      length += this.#chunk.length;
      this.#chunk = Buffer.alloc(0);
    }
    throw new RuncodeError("io", "the workspace sent a line without end");
  }

  /** Passes over zero bytes. */
  async skipZeros(): Promise<void> {
    for (;;) {
      const part = await this.some(Number.MAX_SAFE_INTEGER);
      if (part === null) return;
      const first = part.findIndex((byte) => byte !== 0);
      if (first < 0) continue;
      this.#chunk = part.subarray(first);
      return;
    }
  }

  /** Whether there is a byte. */
  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
    }
    return true;
  }
}
