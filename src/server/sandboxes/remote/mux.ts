// Many conversations over one pair of byte streams, for a sandbox that is reached through a single pipe. Both ends are this
// program, but the far one runs where a workspace may tamper with it: what comes from there is bounded and checked, and the
// first frame that breaks a rule ends the connection. In this folder: mux.ts and streams.ts (frames, windows), messages.ts
// (what is said in them), far.ts (the end in the sandbox) and near.ts (the end in the server).
import { Incoming, Outgoing, PIECE } from "./streams.ts";

export interface Transport {
  readonly input: AsyncIterable<Uint8Array>;
  /** Takes bytes in parts, which are the caller's again at once; a promise when the other side has to read first. */
  readonly send: (...parts: readonly Uint8Array[]) => Promise<void> | undefined;
  /** Called once, when either end is done. */
  readonly close: () => void;
  /** Only beside some sockets (descriptors.ts): hands over descriptors and an id of their own; false where they did not go. */
  readonly pass?: ((id: number, descriptors: readonly number[]) => boolean) | undefined;
  /** The other end of it: takes those that went with this id, null where there are none. */
  readonly take?: ((id: number) => readonly number[] | null) | undefined;
}

const OPEN = 0;
const MESSAGE = 1;
const DATA = 2;
const END = 3;
const CREDIT = 4;
/** The reader of a stream has left. */
const STOP = 5;
const CLOSE = 6;

/** Length of what follows, type, channel; then for streams their index. */
const HEADER = 9;
const LONGEST = PIECE + 64;
/**
 * What the end of each side takes. To the sandbox goes an argv, as long as the kernel lets it be (2 MiB), and JSON doubles some
 * of it; from there come lines.
 */
const LONGEST_MESSAGE = [64 * 1024, 8 * 1024 * 1024] as const;
/** That the other side has opened: whoever connects to a listener in the sandbox takes no channel from those who run commands in it. */
const MOST_CHANNELS = 4096;
/**
 * Frames other than data that wait for the other side to read. Data waits by itself; these are kept, and some are answers to
 * what the other side sends, so that one who sends without reading would be given all the memory there is. Four for each channel.
 */
const MOST_UNREAD = 4 * MOST_CHANNELS;
const STREAMS = 3;

/** Streams 0 leads from the one who opened the channel, 1 and 2 lead back to it. */
export class Channel {
  readonly id: number;
  /** Settles when either end has closed it, or the connection is gone; never rejects. */
  readonly closed: Promise<void>;
  readonly #mux: Mux;
  readonly #incoming = new Map<number, Incoming>();
  readonly #outgoing = new Map<number, Outgoing>();
  #listener: ((message: unknown) => void) | null = null;
  #early: unknown[] = [];
  #over = false;
  #settle: () => void = () => {};

  constructor(mux: Mux, id: number, opener: boolean) {
    this.#mux = mux;
    this.id = id;
    this.closed = new Promise((resolve) => (this.#settle = resolve));
    for (let index = 0; index < STREAMS; index++) {
      if ((index === 0) === opener) {
        this.#outgoing.set(
          index,
          new Outgoing(
            (...parts) => this.#put(DATA, index, ...parts),
            () => void this.#put(END, index),
          ),
        );
      } else {
        const credit = (bytes: number): void => {
          const amount = Buffer.alloc(4);
          amount.writeUInt32BE(bytes);
          void this.#put(CREDIT, index, amount);
        };
        this.#incoming.set(index, new Incoming(credit, () => void this.#put(STOP, index)));
      }
    }
  }

  /** What arrives: streams 1 and 2 at the opener, 0 at the other end. */
  reader(index: number): Incoming {
    return this.#incoming.get(index) as Incoming;
  }

  writer(index: number): Outgoing {
    return this.#outgoing.get(index) as Outgoing;
  }

  say(message: unknown): void {
    if (!this.#over) void this.#mux.frame(MESSAGE, this.id, Buffer.from(JSON.stringify(message)));
  }

  /** From now on messages go there, those that came before first. */
  hear(listener: (message: unknown) => void): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener(message);
  }

  /** Resolves with the next message; null when the channel closes before. */
  async answer(): Promise<unknown> {
    return await new Promise((resolve) => {
      void this.closed.then(() => resolve(null));
      this.hear((message) => {
        this.#listener = null;
        resolve(message);
      });
    });
  }

  /** Ends it at once; what is still on the way out is lost. */
  close(): void {
    if (this.#over) return;
    void this.#mux.frame(CLOSE, this.id);
    this.end();
  }

  /** Ends it once everything written has left. */
  async finish(): Promise<void> {
    await Promise.all([...this.#outgoing.values()].map(async (stream) => await stream.left()));
    this.close();
  }

  /** For the mux: one frame that came for this channel. Gives false when it breaks the rules. */
  take(type: number, body: Buffer): boolean {
    if (type === MESSAGE) {
      const message = parsed(body);
      if (message === undefined) return false;
      if (this.#listener) this.#listener(message);
      else if (this.#early.push(message) > 16) return false;
      return true;
    }
    if (type === CLOSE) {
      this.end();
      return true;
    }
    const index = body[0] ?? STREAMS;
    const [incoming, outgoing] = [this.#incoming.get(index), this.#outgoing.get(index)];
    if (type === DATA && incoming) return incoming.feed(body.subarray(1));
    if (type === END && incoming) return incoming.finish();
    if (type === STOP && outgoing) return outgoing.stopped();
    if (type === CREDIT && outgoing && body.length === 5) return outgoing.grant(body.readUInt32BE(1));
    return false;
  }

  /** For the mux: it is over, whoever wanted it. What has arrived can still be read. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#mux.forget(this.id);
    for (const stream of this.#incoming.values()) stream.finish();
    for (const stream of this.#outgoing.values()) stream.stopped();
    this.#settle();
  }

  #put(type: number, index: number, ...parts: readonly Uint8Array[]): Promise<void> | undefined {
    return this.#over ? undefined : this.#mux.frame(type, this.id, Buffer.of(index), ...parts);
  }
}

export class Mux {
  /** Settles when the connection is gone; never rejects. */
  readonly closed: Promise<void>;
  readonly #transport: Transport;
  readonly #accept: (request: unknown, channel: Channel) => void;
  readonly #channels = new Map<number, Channel>();
  readonly #longest: number;
  #next: number;
  #over = false;
  #busy: Promise<void> | undefined;
  #unread = 0;
  /** How many of the channels the other side has opened. */
  #theirs = 0;

  /** `side` is 0 at the server's end and 1 at the sandbox's, so that both can open channels without asking. */
  constructor(transport: Transport, side: 0 | 1, accept: (request: unknown, channel: Channel) => void) {
    this.#transport = transport;
    this.#accept = accept;
    this.#longest = LONGEST_MESSAGE[side];
    this.#next = side;
    this.closed = this.#read();
  }

  open(request: unknown): Channel {
    const channel = new Channel(this, this.#next, true);
    this.#next += 2;
    if (this.#over) {
      channel.end();
      return channel;
    }
    this.#channels.set(channel.id, channel);
    void this.frame(OPEN, channel.id, Buffer.from(JSON.stringify(request)));
    return channel;
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#transport.close();
    for (const channel of this.#channels.values()) channel.end();
  }

  forget(id: number): void {
    if (this.#channels.delete(id) && this.#isTheirs(id)) this.#theirs -= 1;
  }

  /** Sends one frame; a promise when the sender of bulk should wait before the next. */
  frame(type: number, channel: number, ...body: readonly Uint8Array[]): Promise<void> | undefined {
    if (this.#over) return undefined;
    if (this.#busy && type !== DATA && ++this.#unread > MOST_UNREAD) {
      this.close();
      return undefined;
    }
    const head = Buffer.allocUnsafe(HEADER);
    head.writeUInt32BE(
      body.reduce((sum, { length }) => sum + length, HEADER - 4),
      0,
    );
    head.writeUInt8(type, 4);
    head.writeUInt32BE(channel, 5);
    const wait = this.#transport.send(head, ...body);
    if (wait) {
      const busy = wait.catch(() => this.close());
      this.#busy = busy;
      void busy.then(() => {
        if (this.#busy !== busy) return;
        this.#busy = undefined;
        this.#unread = 0;
      });
    }
    return this.#busy;
  }

  async #read(): Promise<void> {
    const sofar: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of this.#transport.input) {
        let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
        // Joined are the pieces of one frame, once it is whole: neither is a long one copied again for each piece, nor what
        // comes behind it in the last of them.
        while (length > 0 && bytes.length > 0) {
          const [first = bytes] = sofar;
          const need = (length < HEADER ? HEADER : first.readUInt32BE(0) + 4) - length;
          sofar.push(bytes.subarray(0, need));
          length += Math.min(need, bytes.length);
          bytes = bytes.subarray(need);
          if (length < HEADER) break;
          if (first.length >= HEADER && length < first.readUInt32BE(0) + 4) continue;
          const joined = Buffer.concat(sofar.splice(0));
          const used = this.#frames(joined);
          if (used < 0) return;
          length = joined.length - used;
          if (length > 0) sofar.push(joined);
        }
        if (bytes.length === 0) continue;
        const used = this.#frames(bytes);
        if (used < 0) return;
        length = bytes.length - used;
        if (length > 0) sofar.push(bytes.subarray(used));
      }
    } catch {
      // A broken connection is one that is over.
    } finally {
      this.close();
    }
  }

  /** Takes what has arrived; gives how much of it was whole frames, -1 when one of them breaks the rules. */
  #frames(bytes: Buffer): number {
    let at = 0;
    while (!this.#over && bytes.length - at >= HEADER) {
      const size = bytes.readUInt32BE(at);
      const type = bytes.readUInt8(at + 4);
      if (size < HEADER - 4 || size > (type <= MESSAGE ? this.#longest : LONGEST)) return -1;
      if (bytes.length - at < size + 4) break;
      if (!this.#frame(type, bytes.readUInt32BE(at + 5), bytes.subarray(at + HEADER, at + 4 + size))) return -1;
      at += size + 4;
    }
    return this.#over ? -1 : at;
  }

  #frame(type: number, id: number, body: Buffer): boolean {
    const known = this.#channels.get(id);
    if (type !== OPEN) return known ? known.take(type, body) : type <= CLOSE;
    const request = parsed(body);
    if (known || !this.#isTheirs(id) || request === undefined) return false;
    if (this.#theirs >= MOST_CHANNELS) {
      // One too many is no breach of the rules: programs in the sandbox may connect as often as they like.
      void this.frame(CLOSE, id);
      return true;
    }
    const channel = new Channel(this, id, false);
    this.#channels.set(id, channel);
    this.#theirs += 1;
    this.#accept(request, channel);
    return true;
  }

  #isTheirs(id: number): boolean {
    return id % 2 !== this.#next % 2;
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}
