// The real standard streams. Not process.stdin and its two companions: they bring node:stream, node:tty and node:net along,
// which takes longer than all the rest of a short command (docs/decisions/021-what-a-start-costs.md).
import type { Input, Outlet, Streams } from "./streams.ts";

/** What is read of a file at a time, in bytes. */
const PIECE = 256 * 1024;

export interface StandardStreams extends Streams {
  /** Resolves when all that was written has left. */
  flushed(): Promise<void>;
}

/** Gives this process's streams; none is opened before it is used. `onLost` is told, once for each, when one takes no more. */
export function standardStreams(onLost: (error: NodeJS.ErrnoException) => void): StandardStreams {
  const stdout = new StandardOutlet(1, onLost);
  const stderr = new StandardOutlet(2, onLost);
  const stdin: Input = {
    get isTTY() {
      return isTerminal(0);
    },
    [Symbol.asyncIterator]: () => read(0),
  };
  return {
    stdin,
    stdout,
    stderr,
    flushed: async () => {
      await Promise.all([stdout.flushed(), stderr.flushed()]);
    },
  };
}

class StandardOutlet implements Outlet {
  readonly #fd: 1 | 2;
  readonly #onLost: (error: NodeJS.ErrnoException) => void;
  #sink: Bun.FileSink | undefined;
  #lost: NodeJS.ErrnoException | undefined;
  /** The last write that had to wait; what comes after it waits for it. */
  #last: Promise<void> | undefined;

  constructor(fd: 1 | 2, onLost: (error: NodeJS.ErrnoException) => void) {
    this.#fd = fd;
    this.#onLost = onLost;
  }

  get isTTY(): boolean {
    return isTerminal(this.#fd);
  }

  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): void {
    const waiting = this.#last ? this.#last.then(() => this.#put(chunk)) : this.#put(chunk);
    if (waiting === undefined) return done?.(this.#lost);
    const mine = this.#settle(waiting, done).finally(() => {
      if (this.#last === mine) this.#last = undefined;
    });
    this.#last = mine;
  }

  async flushed(): Promise<void> {
    for (let last = this.#last; last !== undefined; last = this.#last) await last;
  }

  /** Gives a promise only where there is no room. */
  #put(chunk: string | Uint8Array): Promise<unknown> | undefined {
    if (this.#lost !== undefined) return undefined;
    try {
      this.#sink ??= Bun.file(this.#fd).writer();
      const wrote: unknown = this.#sink.write(chunk);
      const flushed: unknown = this.#sink.flush();
      return wrote instanceof Promise || flushed instanceof Promise ? Promise.all([wrote, flushed]) : undefined;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  async #settle(waiting: Promise<unknown>, done?: (error?: Error | null) => void): Promise<void> {
    try {
      await waiting;
    } catch (error) {
      this.#fail(error);
    }
    done?.(this.#lost);
  }

  #fail(error: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = error as NodeJS.ErrnoException;
    this.#onLost(this.#lost);
  }
}

/** As tty.isatty(), which would load node:net with it. */
function isTerminal(fd: number): boolean {
  const inside = process as unknown as { binding(name: "tty_wrap"): { isTTY(this: void, fd: number): boolean } };
  return inside.binding("tty_wrap").isTTY(fd);
}

async function* read(fd: number): AsyncGenerator<Uint8Array> {
  const file = await Bun.file(fd)
    .stat()
    .then((stat) => stat.isFile());
  yield* file ? readOn(fd) : (Bun.file(fd).stream() as AsyncIterable<Uint8Array>);
}

/** Reads a file from where its descriptor stands, which somebody else may have moved: Bun's own stream begins at 0. */
async function* readOn(fd: number): AsyncGenerator<Uint8Array> {
  const { read } = await import("node:fs");
  for (;;) {
    const piece = Buffer.allocUnsafeSlow(PIECE);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    read(fd, piece, 0, PIECE, null, (error, length) => (error ? reject(error) : resolve(length)));
    const length = await promise;
    if (length === 0) return;
    yield piece.subarray(0, length);
  }
}
