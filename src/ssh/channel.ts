// A session channel on the master that OpenSSH already holds open, without starting an ssh for it. The master's control
// socket has a proxy mode (OpenSSH's PROTOCOL.mux §"proxy", since 7.4): after a greeting it carries the messages of the SSH
// connection protocol (RFC 4254), bare. Speaking it here, and not through a second ssh, is what makes "at most once" provable:
// an open that fails or stays unanswered means that no command was sent, nothing falls back to a connection of its own
// behind our back, and the exit status, the exit signal and a lost connection are three different messages.
import { Reader, Writer } from "./wire.ts";

const MUX = { hello: 1, proxy: 0x1000000f, proxyGranted: 0x8000000f, version: 4 } as const;
/** RFC 4254 §9 */
const MSG = {
  globalRequest: 80,
  requestFailure: 82,
  open: 90,
  openConfirmation: 91,
  openFailure: 92,
  windowAdjust: 93,
  data: 94,
  extendedData: 95,
  eof: 96,
  close: 97,
  request: 98,
  success: 99,
  failure: 100,
} as const;
const STDERR = 1;
/** What the far side may send ahead of what we have passed on; the same as OpenSSH's own client. */
const WINDOW = 2 * 1024 * 1024;
const MAX_PACKET = 32 * 1024;
/** A master answers from memory and the gateway in one round trip; beyond this the connection under it is taken for dead. */
const OPEN_TIMEOUT_MS = 10_000;
/** Above this much unsent, stdin waits. */
const OUTBOX_LIMIT = 512 * 1024;
const LONGEST_MESSAGE = 1024 * 1024;
/** How long the far side may take to agree to a close. */
const LEAVE_TIMEOUT_MS = 2000;

/**
 * The channel was not opened, so no command was sent and trying again is safe.
 * `no-master`: nobody listens there, or not a master. `silent`: the connection under the master does not answer.
 * `refused`: the far side would not open one more channel.
 */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
  readonly why: "no-master" | "silent" | "refused";
  constructor(why: NotStarted["why"], message: string) {
    super(message);
    this.why = why;
  }
}

/** How a remote command ended. `lost`: the connection went away first, and nobody knows how far the command came. */
export type RemoteExit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "lost" };

export type Reply = "yes" | "no" | "lost";

/** Where the remote output goes. `done` is called once the bytes have been passed on: until then they fill the window. */
export type OutputSink = (stream: "stdout" | "stderr", bytes: Uint8Array, done: () => void) => void;

export interface ChannelHandlers {
  readonly output: OutputSink;
  /** More input can be taken again after `write` gave false. */
  readonly drain: () => void;
  /** The far side reads no more input (`eow@openssh.com`). */
  readonly deaf: () => void;
}

type Socket = Bun.Socket;

export class SessionChannel {
  /** Settles when the channel is closed for whatever reason, after the last byte of output was passed on; never rejects. */
  readonly closed: Promise<RemoteExit>;
  readonly #handlers: ChannelHandlers;
  #socket: Socket | undefined;
  #phase: "hello" | "proxy" | "open" | "running" | "over" = "hello";
  #opened = Promise.withResolvers<void>();
  #closing = Promise.withResolvers<RemoteExit>();
  #exit: RemoteExit = { kind: "lost" };
  #remote = 0;
  #remoteWindow = 0;
  #remotePacket = MAX_PACKET;
  #consumed = 0;
  /** Bytes that the output sink has not said done of. */
  #unpassed = 0;
  #replies: ((reply: Reply) => void)[] = [];
  #input: Buffer = Buffer.alloc(0);
  #inputEnds = false;
  #eofSent = false;
  #leaving = false;
  #left: () => void = () => {};
  #unread: Buffer = Buffer.alloc(0);
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;

  private constructor(handlers: ChannelHandlers) {
    this.#handlers = handlers;
    this.closed = this.#closing.promise;
    this.#opened.promise.catch(() => {}); // It may fail before anybody waits for it.
  }

  /**
   * Takes the master's control socket; gives an open session channel on which nothing runs yet.
   * Throws NotStarted, and the signal's reason when that is aborted first.
   */
  static async open(
    controlPath: string,
    handlers: ChannelHandlers,
    { signal, timeoutMs = OPEN_TIMEOUT_MS }: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<SessionChannel> {
    signal?.throwIfAborted();
    const channel = new SessionChannel(handlers);
    const stop = (error: unknown): void => channel.#opened.reject(error);
    const onAbort = (): void => stop(signal?.reason);
    const timer = setTimeout(
      () => stop(new NotStarted("silent", `no answer for ${timeoutMs / 1000} s on a connection that seemed alive`)),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      channel.#socket = await Bun.connect({
        unix: controlPath,
        socket: {
          data: (_, bytes) => channel.#receive(bytes as Buffer),
          drain: () => {
            channel.#flush();
            channel.#refill();
          },
          close: () => channel.#gone(),
          error: () => channel.#gone(),
        },
      }).catch((error: unknown) => {
        throw new NotStarted("no-master", error instanceof Error ? error.message : String(error));
      });
      channel.#greet();
      await channel.#opened.promise;
      return channel;
    } catch (error) {
      channel.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Sends the command, once. Resolves to whether the far side took it; `lost` when the connection broke before it said so. */
  exec(line: string): Promise<Reply> {
    return this.#request("exec", new Writer().string(line));
  }

  /**
   * Sends a signal (name without SIG, RFC 4254 §6.9) to the remote command. Resolves to whether the far side says that it
   * delivered it: OpenSSH's sshd refuses for root and for forced commands.
   */
  async signal(name: string): Promise<boolean> {
    return (await this.#request("signal", new Writer().string(name))) === "yes";
  }

  /** Takes input for the command; false means: no more until `drain`. */
  write(bytes: Uint8Array): boolean {
    if (this.#phase === "over" || this.#eofSent) return true;
    this.#input = this.#input.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#input, bytes]);
    return this.#pump();
  }

  /** End-of-file for the command, after all input written so far. */
  end(): void {
    this.#inputEnds = true;
    this.#pump();
  }

  /**
   * Closes the channel and waits until the far side has agreed, for `LEAVE_TIMEOUT_MS` at most; what still comes is dropped. To be
   * preferred to `destroy`: a master whose proxy client goes away while output is on its way to it dies of it
   * (OpenSSH 9.2 segfaults, measured), and takes with it everything else that rides it.
   */
  async release(): Promise<void> {
    if (this.#phase === "running" && !this.#leaving) {
      this.#leaving = true;
      this.#send(new Writer().u8(MSG.close).u32(this.#remote));
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#left = resolve;
      const timer = setTimeout(resolve, LEAVE_TIMEOUT_MS);
      await promise;
      clearTimeout(timer);
    }
    this.destroy();
  }

  /** Lets go of the channel at once; the master closes it on the far side. */
  destroy(): void {
    this.#socket?.terminate();
    this.#gone();
  }

  #request(type: string, payload: Writer): Promise<Reply> {
    if (this.#phase !== "running") return Promise.resolve("lost");
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#replies.push(resolve);
    this.#send(new Writer().u8(MSG.request).u32(this.#remote).string(type).u8(1).raw(payload.bytes()));
    return promise;
  }

  /** Sends what the windows allow; gives whether everything is gone. */
  #pump(): boolean {
    if (this.#phase !== "running") return this.#input.length === 0;
    while (this.#input.length > 0 && this.#remoteWindow > 0 && this.#outboxBytes < OUTBOX_LIMIT) {
      const size = Math.min(this.#input.length, this.#remoteWindow, this.#remotePacket);
      const piece = this.#input.subarray(0, size);
      this.#input = this.#input.subarray(size);
      this.#remoteWindow -= size;
      this.#send(new Writer().u8(MSG.data).u32(this.#remote).string(piece));
    }
    if (this.#input.length > 0) return false;
    if (this.#inputEnds && !this.#eofSent) {
      this.#eofSent = true;
      this.#send(new Writer().u8(MSG.eof).u32(this.#remote));
    }
    return true;
  }

  /**
   * Greets, asks for the proxy mode and for a channel, in one go: a master takes one message after the other (channels.c,
   * channel_post_mux_client_read), and one that refuses the second answers the third as little as it would have a command.
   */
  #greet(): void {
    const hello = new Writer().u32(MUX.hello).u32(MUX.version).bytes();
    const proxy = new Writer().u32(MUX.proxy).u32(0).bytes();
    this.#transmit(new Writer().string(hello).string(proxy).bytes());
    this.#send(new Writer().u8(MSG.open).string("session").u32(0).u32(WINDOW).u32(MAX_PACKET));
  }

  /** PROTOCOL.mux: "unencrypted, unpadded SSH transport messages": length, a padding length of 0, the payload. */
  #send(message: Writer): void {
    const payload = message.bytes();
    this.#transmit(
      new Writer()
        .u32(payload.length + 1)
        .u8(0)
        .raw(payload)
        .bytes(),
    );
  }

  #transmit(bytes: Uint8Array): void {
    this.#outbox.push(bytes);
    this.#outboxBytes += bytes.length;
    this.#flush();
  }

  #flush(): void {
    for (let first = this.#outbox[0]; first && this.#socket && this.#phase !== "over"; first = this.#outbox[0]) {
      const sent = this.#socket.write(first);
      if (sent < 0) break;
      this.#outboxBytes -= sent;
      if (sent < first.length) {
        this.#outbox[0] = first.subarray(sent);
        break;
      }
      this.#outbox.shift();
    }
  }

  /** There is room again: sends what waited, and asks for more when nothing waits any longer. */
  #refill(): void {
    if (this.#input.length > 0 && this.#pump()) this.#handlers.drain();
  }

  #receive(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= 4 && this.#phase !== "over") {
      const length = this.#unread.readUInt32BE(0);
      if (length > LONGEST_MESSAGE) return this.destroy();
      if (this.#unread.length < 4 + length) return;
      const message = this.#unread.subarray(4, 4 + length);
      this.#unread = this.#unread.subarray(4 + length);
      try {
        if (this.#phase === "hello" || this.#phase === "proxy") this.#greeting(new Reader(message));
        else this.#message(new Reader(message.subarray(1)));
      } catch {
        return this.destroy();
      }
    }
  }

  #greeting(message: Reader): void {
    const type = message.u32();
    if (this.#phase === "hello" && type === MUX.hello && message.u32() === MUX.version) {
      this.#phase = "proxy";
    } else if (this.#phase === "proxy" && type === MUX.proxyGranted) {
      this.#phase = "open";
    } else {
      this.#opened.reject(new NotStarted("no-master", "the control socket does not speak as a master does"));
    }
  }

  #message(message: Reader): void {
    const type = message.u8();
    if (type === MSG.globalRequest) {
      message.string();
      if (message.u8()) this.#send(new Writer().u8(MSG.requestFailure));
      return;
    }
    message.u32(); // The recipient: there is one channel, and the master has translated its number.
    switch (type) {
      case MSG.openConfirmation:
        this.#remote = message.u32();
        this.#remoteWindow = message.u32();
        this.#remotePacket = Math.max(1, Math.min(message.u32(), MAX_PACKET));
        this.#phase = "running";
        return this.#opened.resolve();
      case MSG.openFailure: {
        message.u32();
        return this.#opened.reject(new NotStarted("refused", message.text()));
      }
      case MSG.windowAdjust:
        this.#remoteWindow += message.u32();
        return this.#refill();
      case MSG.data:
        return this.#output("stdout", message.string());
      case MSG.extendedData:
        return this.#output(message.u32() === STDERR ? "stderr" : null, message.string());
      case MSG.request:
        return this.#requested(message);
      case MSG.success:
      case MSG.failure:
        return this.#replies.shift()?.(type === MSG.success ? "yes" : "no");
      case MSG.close:
        if (!this.#leaving) this.#send(new Writer().u8(MSG.close).u32(this.#remote));
        this.#socket?.end();
        return this.#gone();
      default:
      // EOF needs no answer: CLOSE follows when the command has ended.
    }
  }

  #output(stream: "stdout" | "stderr" | null, bytes: Uint8Array): void {
    if (this.#leaving) return;
    this.#unpassed += bytes.length;
    const done = (): void => {
      this.#unpassed -= bytes.length;
      this.#consumed += bytes.length;
      if (this.#phase === "over" || this.#leaving) return this.#settle();
      if (this.#consumed < WINDOW / 4) return;
      this.#send(new Writer().u8(MSG.windowAdjust).u32(this.#remote).u32(this.#consumed));
      this.#consumed = 0;
    };
    if (stream === null) done();
    else this.#handlers.output(stream, bytes, done);
  }

  #requested(message: Reader): void {
    const type = message.text();
    const wantsReply = message.u8() !== 0;
    if (type === "exit-status") this.#exit = { kind: "code", code: message.u32() & 0xff };
    else if (type === "exit-signal") this.#exit = { kind: "signal", signal: message.text() };
    else if (type === "eow@openssh.com") {
      this.#input = Buffer.alloc(0);
      this.#handlers.deaf();
    }
    // sshd asks keepalive@openssh.com on a channel; any answer says that somebody is there.
    if (wantsReply) this.#send(new Writer().u8(MSG.failure).u32(this.#remote));
  }

  #gone(): void {
    if (this.#phase === "over") return;
    this.#opened.reject(new NotStarted("no-master", "the master went away"));
    this.#phase = "over";
    this.#input = Buffer.alloc(0);
    this.#left();
    for (const reply of this.#replies.splice(0)) reply("lost");
    this.#settle();
    this.#handlers.drain();
  }

  #settle(): void {
    if (this.#unpassed === 0) this.#closing.resolve(this.#exit);
  }
}
