// The two ends of a stream in a channel. A sender has a window that the receiver opens as it reads: whoever does not read
// stops the one who writes, and costs the window and what goes with a few thousand pieces of it, whatever the other channels do.
import { Readable, Writable } from "node:stream";

/** Bytes that may be on the way in one stream. */
const WINDOW = 256 * 1024;
/** The longest piece in a frame. */
export const PIECE = 64 * 1024;
const HIGH_WATER = 64 * 1024;
/** How much larger than a piece the memory may be that waits with it. */
const MOST_KEPT = 8;
/** Pieces that wait one by one: each costs some two hundred bytes besides its own. */
const MOST_PIECES = 1024;

type Done = (error?: Error | null) => void;

export class Outgoing extends Writable {
  readonly #put: (...parts: readonly Uint8Array[]) => Promise<void> | undefined;
  readonly #end: () => void;
  #credit = WINDOW;
  #rest: Buffer[] = [];
  #taken: Done | null = null;
  #waiting = false;
  #ended = false;

  /** Takes what sends a piece, and what tells that there are no more. */
  constructor(put: (...parts: readonly Uint8Array[]) => Promise<void> | undefined, end: () => void) {
    super({ highWaterMark: HIGH_WATER });
    this.#put = put;
    this.#end = end;
    // Who writes learns of an error by its own callbacks and by `close`.
    this.on("error", () => {});
  }

  /** The reader has room for more. */
  grant(bytes: number): boolean {
    this.#credit += bytes;
    if (this.#credit > WINDOW) return false;
    this.#pump();
    return true;
  }

  /** The reader has left: nothing more is taken. */
  stopped(): boolean {
    this.#ended = true;
    this.destroy();
    return true;
  }

  /** Resolves once all that was written has been sent, or will never be. One that nobody has written to or ended does not wait. */
  async left(): Promise<void> {
    if (this.closed || (this.writableLength === 0 && !this.writableEnded)) return;
    await new Promise<void>((resolve) => this.once("close", resolve).once("finish", resolve));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#rest = [chunk];
    this.#taken = done;
    this.#pump();
  }

  /** What came while the window was closed goes in as few frames as hold it. */
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#rest = chunks.map(({ chunk }) => chunk);
    this.#taken = done;
    this.#pump();
  }

  override _final(done: Done): void {
    this.#over();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#over();
    this.#rest = [];
    const taken = this.#taken;
    this.#taken = null;
    taken?.(error ?? new Error("the reader has left"));
    done(null);
  }

  #over(): void {
    if (!this.#ended) this.#end();
    this.#ended = true;
  }

  #pump(): void {
    if (this.#waiting) return;
    while (this.#rest.length > 0) {
      if (this.#credit === 0) return;
      const wait = this.#put(...this.#piece(Math.min(this.#credit, PIECE)));
      if (!wait) continue;
      this.#waiting = true;
      void wait.then(() => {
        this.#waiting = false;
        this.#pump();
      });
      return;
    }
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
  }

  /** Takes the first bytes out of what there is to send, `most` of them at most. */
  #piece(most: number): Buffer[] {
    const parts: Buffer[] = [];
    let left = most;
    for (let [first] = this.#rest; first && left > 0; [first] = this.#rest) {
      const part = first.subarray(0, left);
      parts.push(part);
      left -= part.length;
      if (part.length === first.length) this.#rest.shift();
      else this.#rest[0] = first.subarray(part.length);
    }
    this.#credit -= most - left;
    return parts;
  }
}

export class Incoming extends Readable {
  readonly #credit: (bytes: number) => void;
  readonly #stop: () => void;
  #queue: Buffer[] = [];
  /** Pieces pushed since the reader had taken all, less those that it has taken since. */
  #pushed = 0;
  #open = WINDOW;
  #owed = 0;
  #wanted = false;
  #ended = false;
  #told = false;

  /** Takes what opens the window again, and what tells that nobody reads any more. */
  constructor(credit: (bytes: number) => void, stop: () => void) {
    super({ highWaterMark: HIGH_WATER });
    this.#credit = credit;
    this.#stop = stop;
  }

  /** Gives false when more came than the window lets in. */
  feed(bytes: Buffer): boolean {
    this.#open -= bytes.length;
    if (this.#open < 0 || this.#ended) return false;
    if (this.destroyed) return true;
    // A small part of a large read would keep all of it.
    this.#queue.push(bytes.length * MOST_KEPT < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes);
    if (this.#queue.length > MOST_PIECES) this.#queue = [Buffer.concat(this.#queue)];
    this.#flow();
    return true;
  }

  finish(): boolean {
    if (this.#ended) return true;
    this.#ended = true;
    this.#flow();
    return true;
  }

  override _read(): void {
    this.#wanted = true;
    this.#flow();
  }

  /** What the stream itself keeps is bounded in bytes alone: past so many pieces a reader gets one more for each that it takes. */
  override read(size?: number): unknown {
    const taken: unknown = super.read(size);
    if (size !== 0 && this.#queue.length > 0) {
      this.#pushed = Math.max(this.#pushed - 1, 0);
      this.#flow();
    }
    return taken;
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#queue.length = 0;
    if (!this.#ended) this.#stop();
    done(error);
  }

  #flow(): void {
    if (this.destroyed) return;
    while (this.#wanted) {
      if (this.readableLength === 0) this.#pushed = 0;
      if (this.#pushed >= MOST_PIECES) break;
      const piece = this.#queue.shift();
      if (!piece) break;
      this.#pushed++;
      this.#owed += piece.length;
      this.#wanted = this.push(piece);
    }
    if (this.#owed >= WINDOW / 2 && !this.#ended) {
      this.#open += this.#owed;
      this.#credit(this.#owed);
      this.#owed = 0;
    }
    if (this.#ended && this.#queue.length === 0 && !this.#told) {
      this.#told = true;
      this.push(null);
    }
  }
}
