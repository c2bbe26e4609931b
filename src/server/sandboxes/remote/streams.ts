// The two ends of a stream in a channel. A sender has a window that the receiver opens as it reads: whoever does not read
// stops the one who writes, and costs no more memory than the window, whatever the other channels do.
import { Readable, Writable } from "node:stream";

/** Bytes that may be on the way in one stream. */
const WINDOW = 256 * 1024;
/** The longest piece in a frame. */
export const PIECE = 64 * 1024;
const HIGH_WATER = 64 * 1024;
const NOTHING = Buffer.alloc(0);

type Done = (error?: Error | null) => void;

export class Outgoing extends Writable {
  readonly #put: (bytes: Uint8Array) => Promise<void> | undefined;
  readonly #end: () => void;
  #credit = WINDOW;
  #rest: Buffer = NOTHING;
  #taken: Done | null = null;
  #waiting = false;
  #ended = false;

  /** Takes what sends a piece, and what tells that there are no more. */
  constructor(put: (bytes: Uint8Array) => Promise<void> | undefined, end: () => void) {
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
    this.#rest = chunk;
    this.#taken = done;
    this.#pump();
  }

  override _final(done: Done): void {
    this.#over();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#over();
    this.#rest = NOTHING;
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
      const piece = this.#rest.subarray(0, Math.min(this.#credit, PIECE));
      this.#credit -= piece.length;
      this.#rest = this.#rest.subarray(piece.length);
      const wait = this.#put(piece);
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
}

export class Incoming extends Readable {
  readonly #credit: (bytes: number) => void;
  readonly #stop: () => void;
  readonly #queue: Buffer[] = [];
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
    // A view of a large read would keep all of it.
    this.#queue.push(Buffer.from(bytes));
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

  override _destroy(error: Error | null, done: Done): void {
    this.#queue.length = 0;
    if (!this.#ended) this.#stop();
    done(error);
  }

  #flow(): void {
    if (this.destroyed) return;
    while (this.#wanted) {
      const piece = this.#queue.shift();
      if (!piece) break;
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
