// One SSH channel as a pair of byte streams with flow control that holds.
import type { Readable, Writable } from "node:stream";
import { release } from "./release.ts";
import type { Link, RawChannel } from "./ssh2.ts";

/** Bytes waiting in the socket above which channels stop sending: enough to keep it busy, little enough to hold for each client. */
const SOCKET_HIGH_WATER = 1024 * 1024;
/** What we send at most in one packet, however much the client would take. */
const LARGEST_PACKET = 32 * 1024;
const STDERR = 1;

export type Stream = "stdout" | "stderr";
interface Pending {
  readonly data: Uint8Array;
  at: number;
  readonly stream: Stream;
  readonly sent: () => void;
}

/**
 * Sends past ssh2's own Writable, for four reasons found in 1.17: a chunk that once waited for the window is sent a second
 * time when stderr waits later (`_chunk` is never cleared); finishing the writing side closes the whole channel, so a
 * half-closed forward dies; nothing there looks at the socket, so a client with a large window that does not read makes
 * memory grow; and stderr and stdout wake only one of each other. Reading, and the window that comes with it, is ssh2's.
 */
export class Channel {
  /** What the client sends; its end is the client's end-of-file. Reading it is what opens the window again. */
  readonly input: Readable;
  readonly #raw: RawChannel;
  readonly #link: Link;
  readonly #queue: Pending[] = [];
  #closed = false;
  readonly #onClose: (() => void)[] = [];

  constructor(raw: RawChannel, link: Link) {
    this.#raw = raw;
    this.#link = link;
    this.input = raw;
    raw.on("error", () => this.close());
  }

  get localId(): number {
    return this.#raw.incoming.id;
  }
  get closed(): boolean {
    return this.#closed;
  }
  /** True while something waits for the client to read. */
  get blocked(): boolean {
    return this.#queue.length > 0;
  }

  /** Calls back once, when the channel is closed by either side or the connection is gone. */
  onClose(listener: () => void): void {
    if (this.#closed) listener();
    else this.#onClose.push(listener);
  }

  /** Sends `data`, in order. Gives null when all of it went, else a promise that settles once it did (or the channel closed). */
  send(data: Uint8Array, stream: Stream = "stdout"): Promise<void> | null {
    if (this.#closed || this.#raw.outgoing.state !== "open" || data.length === 0) return null;
    let at = 0;
    if (this.#queue.length === 0) {
      at = this.#push(data, 0, stream);
      if (at === data.length) return null;
    }
    return new Promise((sent) => this.#queue.push({ data, at, stream, sent }));
  }

  /** Goes on sending what waited, now that there is room. */
  flush(): void {
    let next: Pending | undefined;
    while (!this.#closed && (next = this.#queue[0]) !== undefined) {
      next.at = this.#push(next.data, next.at, next.stream);
      if (next.at < next.data.length) return;
      this.#queue.shift();
      next.sent();
    }
  }

  #push(data: Uint8Array, from: number, stream: Stream): number {
    const { outgoing } = this.#raw;
    const { protocol, socket } = this.#link;
    const most = Math.min(outgoing.packetSize, LARGEST_PACKET);
    let at = from;
    while (
      at < data.length &&
      outgoing.window > 0 &&
      !this.#link.rekeying() &&
      socket.writableLength < SOCKET_HIGH_WATER
    ) {
      const end = Math.min(data.length, at + Math.min(most, outgoing.window));
      const part = at === 0 && end === data.length ? data : data.subarray(at, end);
      if (stream === "stdout") protocol.channelData(outgoing.id, part);
      else protocol.channelExtData(outgoing.id, part, STDERR);
      outgoing.window -= end - at;
      at = end;
    }
    return at;
  }

  /** No more will be sent; what the client sends is still read. */
  eof(): void {
    if (!this.#closed) this.#raw.eof();
  }

  exitStatus(code: number): void {
    if (!this.#closed) this.#link.protocol.exitStatus(this.#raw.outgoing.id, code);
  }

  exitSignal(name: string, coreDumped: boolean): void {
    if (!this.#closed) this.#link.protocol.exitSignal(this.#raw.outgoing.id, name, coreDumped, "");
  }

  /** Closes it from this side. What was not sent yet is dropped. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#raw.close();
    this.gone();
  }

  /** The client closed it, or the connection is gone. */
  gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const pending of this.#queue.splice(0)) pending.sent();
    // Whatever the client still sends is read and dropped, so that the stream comes to its end and is freed.
    this.#raw.unpipe();
    this.#raw.resume();
    for (const listener of this.#onClose.splice(0)) listener();
  }
}

/**
 * Carries a stream to the client until it ends, at the client's speed. `done` settles at its end or after `stop`, which
 * leaves the stream flowing into nothing.
 */
export function carry(
  from: Readable,
  to: Channel,
  stream: Stream,
): { done: Promise<void>; stop: () => void; bytes: () => number } {
  let bytes = 0;
  let stopped = false;
  let sending: Promise<void> | null = null;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const stop = (): void => {
    stopped = true;
    resolve();
  };
  // A stream that is paused still tells of its end, while its last chunk may wait for the client's window.
  const ended = (): void => void (sending ?? Promise.resolve()).then(stop);
  from.on("data", (chunk: Uint8Array) => {
    if (stopped) return;
    bytes += chunk.length;
    sending = to.send(chunk, stream);
    if (sending === null) return;
    from.pause();
    void sending.then(() => from.resume());
  });
  from.once("end", ended).once("close", ended).on("error", ended);
  return { done, stop, bytes: () => bytes };
}

/**
 * Carries what the client sends to a stream, at the speed at which that takes it, and ends it with the client's end-of-file.
 * `keepsNothing` says of the stream that it has no use for the memory of what it called back for. Gives what stops it: what comes
 * after that, or after the channel was closed, flows into nothing.
 */
export function feed(from: Channel, to: Writable, keepsNothing: boolean): () => void {
  const { input } = from;
  let stopped = false;
  const written = (chunk: Uint8Array, error: Error | null | undefined): void => {
    if (keepsNothing && !error) release(chunk);
  };
  input.on("data", (chunk: Uint8Array) => {
    if (stopped || from.closed) return;
    if (!to.write(chunk, (error) => written(chunk, error))) input.pause();
  });
  to.on("drain", () => input.resume());
  input.once("end", () => {
    if (!stopped && !from.closed) to.end();
  });
  return () => {
    stopped = true;
    input.resume();
  };
}
