// A process's standard streams as pipes, which is what sshd gives: Bun and Node make socketpairs on Linux, and a socket can
// not be opened by name (`>/dev/stderr` fails with ENXIO) and answers a reader's leaving with ECONNRESET in place of SIGPIPE.
//
// Our ends are read and written by Bun.file, the one thing in Bun 1.4.5 that waits for a pipe with epoll, without a thread,
// and stops when nobody reads. (net.Socket({ fd }) never hears of readable data and writes with EAGAIN as an error;
// fs.createReadStream keeps one of the few threads of the pool for each silent pipe.)
import { ptr } from "bun:ffi";
import { closeSync, constants, fchmodSync, fchownSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { libc, type Libc } from "./libc.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** fcntl(2) and pipe2(2) on Linux, alike on x86-64 and arm64. */
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;
const O_CLOEXEC = 0o2000000;

/** What the kernel gives is 64 KiB. More saves wake-ups: 256 MiB out took a quarter less, and 1 MiB was no better than this. */
const CAPACITY = 256 * 1024;
/**
 * A pipe is made larger once it has carried this much. All of a user's pipes together get 64 MiB before the kernel makes new
 * ones of two pages, so the many that carry little must not have it.
 */
const BULK = 1024 * 1024;
const HIGH_WATER = 64 * 1024;

type Done = (error?: Error | null) => void;

export interface Pipes {
  /** Descriptors to start the process with. */
  readonly theirs: readonly [number, number, number];
  readonly ours: readonly [Writable, Readable, Readable];
  /** To be called once the process has its ends: closes them here, or nobody would ever see the end of a stream. */
  handedOver(): void;
}

/** Until it is closed a stream is kept from the garbage collector: a background process may write to one that nobody holds. */
const open = new Set<Readable | Writable>();

/**
 * Makes the three standard streams of one process. `owner` is the uid that may open them by name, null for our own, and
 * "anyone" where its number is not known here: whoever may look at the process's descriptors. Gives null where the system has
 * no pipe2(2) that can be called. Throws RuncodeError `io` when there are no descriptors left.
 */
export function openPipes(owner: number | "anyone" | null = null): Pipes | null {
  const system = libc();
  if (!system) return null;
  const made: number[] = [];
  try {
    for (let i = 0; i < 3; i++) made.push(...pipe(system));
    const [inRead = -1, inWrite = -1, outRead = -1, outWrite = -1, errorRead = -1, errorWrite = -1] = made;
    const theirs = [inRead, outWrite, errorWrite] as const;
    for (const fd of theirs) {
      if (owner === "anyone") fchmodSync(fd, 0o666);
      else if (owner !== null) fchownSync(fd, owner, owner);
    }
    // Only here: each end of a pipe has flags of its own, and a program expects its streams to block.
    for (const fd of [inWrite, outRead, errorRead]) system.fcntl(fd, F_SETFL, constants.O_NONBLOCK);
    return {
      theirs,
      ours: [new PipeWriter(inWrite, system), new PipeReader(outRead, system), new PipeReader(errorRead, system)],
      handedOver: () => theirs.forEach((fd) => closeSync(fd)),
    };
  } catch (error) {
    for (const fd of made) closeSync(fd);
    throw new RuncodeError("io", "cannot make the streams of a process: no descriptors left", { cause: error });
  }
}

function pipe(system: Libc): Int32Array {
  const ends = new Int32Array(2);
  if (system.pipe2(ptr(ends), O_CLOEXEC) !== 0) throw new Error("pipe2 failed");
  return ends;
}

/** One descriptor of ours, which grows its pipe when it turns out to be worth it, and is closed once. */
class End {
  readonly #fd: number;
  readonly #system: Libc;
  #carried = 0;
  #closed = false;

  constructor(fd: number, system: Libc) {
    this.#fd = fd;
    this.#system = system;
  }

  carried(bytes: number): void {
    const before = this.#carried;
    this.#carried += bytes;
    // A refusal (the user's pipes have their share) leaves the pipe as it is.
    if (before < BULK && this.#carried >= BULK && !this.#closed) this.#system.fcntl(this.#fd, F_SETPIPE_SZ, CAPACITY);
  }

  close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
}

class PipeReader extends Readable {
  readonly #end: End;
  readonly #reader;

  constructor(fd: number, system: Libc) {
    super({ highWaterMark: HIGH_WATER });
    this.#end = new End(fd, system);
    this.#reader = Bun.file(fd).stream().getReader();
    open.add(this);
  }

  override _read(): void {
    this.#reader.read().then(
      ({ done, value }) => {
        if (this.destroyed) return;
        if (done) return void this.push(null);
        this.#end.carried(value.length);
        this.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      },
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, done: Done): void {
    open.delete(this);
    this.#end.close();
    // The reader has a descriptor of its own, which is closed by this.
    const cancelled = (): void => done(error);
    this.#reader.cancel().then(cancelled, cancelled);
  }
}

class PipeWriter extends Writable {
  readonly #end: End;
  readonly #sink: Bun.FileSink;

  constructor(fd: number, system: Libc) {
    super({ highWaterMark: HIGH_WATER });
    this.#end = new End(fd, system);
    this.#sink = Bun.file(fd).writer({ highWaterMark: 1 });
    open.add(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: Done): void {
    this.#put([chunk], taken);
  }

  /** What came while the pipe was full goes in one round. */
  override _writev(chunks: { chunk: Buffer }[], taken: Done): void {
    const buffers = chunks.map(({ chunk }) => chunk);
    this.#put(buffers, taken);
  }

  override _final(ended: Done): void {
    this.#finish().then(() => ended(), ended);
  }

  override _destroy(error: Error | null, destroyed: Done): void {
    open.delete(this);
    this.#end.close();
    // The sink has a descriptor of its own; what it could not write yet it still does, if anybody reads on.
    this.#finish().catch(() => {});
    destroyed(error);
  }

  async #finish(): Promise<void> {
    await this.#sink.end();
  }

  /** Calls `taken` once the pipe has all of it or the reader has left; at once where nothing has to wait. */
  #put(chunks: readonly Buffer[], taken: Done): void {
    let waiting: Promise<unknown> | null = null;
    try {
      for (const chunk of chunks) {
        this.#end.carried(chunk.length);
        waiting = pending(this.#sink.write(chunk)) ?? waiting;
      }
      waiting = pending(this.#sink.flush()) ?? waiting;
    } catch (error) {
      return taken(error as Error);
    }
    if (waiting) waiting.then(() => taken(), taken);
    else taken();
  }
}

/** Several calls of a sink give one promise, which rejects for each that nobody listens to. */
function pending(result: unknown): Promise<unknown> | null {
  if (!(result instanceof Promise)) return null;
  result.catch(() => {});
  return result;
}
