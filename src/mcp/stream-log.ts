// What a command writes, kept within bounds: its beginning and its end, each byte known by its offset in the whole.

/** In bytes. */
const HEAD = 256 * 1024;
const TAIL = 1024 * 1024;

export interface Piece {
  /** The offset of its first byte. */
  readonly from: number;
  readonly bytes: Buffer;
}

export class StreamLog {
  /** How many bytes came, the forgotten ones included. */
  total = 0;
  readonly #head: Buffer[] = [];
  #headLength = 0;
  readonly #tail: Buffer[] = [];
  #tailLength = 0;

  /** Whether some of it was forgotten. */
  get gap(): boolean {
    return this.total - this.#tailLength > this.#headLength;
  }

  add(bytes: Uint8Array): void {
    // A copy, so that a few bytes do not hold on to the whole buffer that they came in.
    const all = Buffer.from(bytes);
    this.total += all.length;
    const first = all.subarray(0, HEAD - this.#headLength);
    if (first.length > 0) this.#head.push(first);
    this.#headLength += first.length;
    const rest = all.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailLength += rest.length;
    for (let oldest = this.#tail[0]; oldest && this.#tailLength - oldest.length >= TAIL; oldest = this.#tail[0]) {
      this.#tail.shift();
      this.#tailLength -= oldest.length;
    }
  }

  /** What is kept from an offset on, at most so much of it. Where that was forgotten it begins later; it never bridges a gap. */
  from(offset: number, most: number): Piece {
    const tailFrom = this.total - this.#tailLength;
    const inHead = offset < this.#headLength;
    const from = inHead ? offset : Math.min(Math.max(offset, tailFrom), this.total);
    const kept = inHead ? this.#head : this.#tail;
    const base = inHead ? 0 : tailFrom;
    const joined = inHead && tailFrom === this.#headLength ? [...kept, ...this.#tail] : kept;
    return { from, bytes: Buffer.concat(joined).subarray(from - base, from - base + most) };
  }

  /** The whole where it fits, else its beginning and, since errors stand there, more of its end, with a line between that says what is missing. */
  text(most: number): { readonly text: string; readonly truncated: boolean } {
    if (this.total <= most) {
      const { bytes } = this.from(0, most);
      if (bytes.length === this.total) return { text: decode(bytes), truncated: false };
    }
    const head = this.from(0, Math.floor(most / 3));
    const tail = this.from(this.total - (most - head.bytes.length), most);
    const missing = tail.from - head.bytes.length;
    const [begin, end] = [decode(head.bytes, { end: true }), decode(tail.bytes, { begin: true })];
    return { text: `${begin}\n[${missing} bytes left out]\n${end}`, truncated: true };
  }
}

/** Bytes that are no UTF-8 become U+FFFD; a character that the piece's beginning or end cut in two is left out. */
export function decode(bytes: Buffer, cut: { readonly begin?: boolean; readonly end?: boolean } = {}): string {
  let start = 0;
  while (cut.begin === true && start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(start), { stream: cut.end === true });
}
