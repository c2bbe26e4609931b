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
  const stdout = outlet(1, onLost);
  const stderr = outlet(2, onLost);
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

function outlet(fd: 1 | 2, onLost: (error: NodeJS.ErrnoException) => void): Outlet & { flushed(): Promise<void> } {
  let sink: Bun.FileSink | undefined;
  let lost: NodeJS.ErrnoException | undefined;
  /** The last write that had to wait; what comes after it waits for it. */
  let last: Promise<void> | undefined;
  const fail = (error: unknown): void => {
    if (lost !== undefined) return;
    lost = error as NodeJS.ErrnoException;
    onLost(lost);
  };
  /** Gives a promise only where there is no room. */
  const put = (chunk: string | Uint8Array): Promise<unknown> | undefined => {
    if (lost !== undefined) return undefined;
    try {
      sink ??= (fd === 1 ? Bun.stdout : Bun.stderr).writer();
      const wrote: unknown = sink.write(chunk);
      const flushed: unknown = sink.flush();
      return wrote instanceof Promise || flushed instanceof Promise ? Promise.all([wrote, flushed]) : undefined;
    } catch (error) {
      fail(error);
      return undefined;
    }
  };
  return {
    get isTTY() {
      return isTerminal(fd);
    },
    write(chunk, done) {
      const waiting = last === undefined ? put(chunk) : last.then(() => put(chunk));
      if (waiting === undefined) return done?.(lost);
      const mine = waiting
        .then(() => {}, fail)
        .then(() => {
          if (last === mine) last = undefined;
          done?.(lost);
        });
      last = mine;
    },
    async flushed() {
      while (last !== undefined) await last;
    },
  };
}

/** As tty.isatty(), which would load node:net with it. */
function isTerminal(fd: number): boolean {
  const { isTTY } = (process as unknown as { binding(name: "tty_wrap"): { isTTY(fd: number): boolean } }).binding(
    "tty_wrap",
  );
  return isTTY(fd);
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
