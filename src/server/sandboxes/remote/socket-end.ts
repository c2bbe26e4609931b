// One end of a Unix socket, for bulk. Bun's own sockets and not node:net's, which took half as much processor time again: what
// is sent is not copied here, and what could not be sent yet is all that is kept.
import type { Socket, SocketHandler } from "bun";
import type { Transport } from "./mux.ts";

/** Bytes that have come and that nobody has taken yet, before the socket is left alone. */
const MOST_WAITING = 1024 * 1024;
/** Up to here one call with a copy is less work than a call for each part. */
const SMALL = 4096;

export class SocketEnd implements Transport {
  readonly input: AsyncIterableIterator<Uint8Array>;
  readonly #socket: Socket<SocketEnd>;
  readonly #come: Uint8Array[] = [];
  #waiting = 0;
  #unsent: Buffer[] = [];
  #sent: PromiseWithResolvers<void> | null = null;
  #over = false;
  #wake: () => void = () => {};

  constructor(socket: Socket<SocketEnd>) {
    this.#socket = socket;
    this.input = this.#read();
  }

  send = (...parts: readonly Uint8Array[]): Promise<void> | undefined => {
    if (this.#over) return undefined;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    for (const part of length <= SMALL ? [Buffer.concat(parts, length)] : parts) this.#put(part);
    return this.#sent?.promise;
  };

  /** The socket's number, for what Bun cannot send or receive; null once it is closed, and where Bun does not say. */
  get descriptor(): number | null {
    const { fd } = this.#socket as { readonly fd?: unknown };
    return !this.#over && typeof fd === "number" && fd >= 0 ? fd : null;
  }

  /** From now on what comes is left in the socket, for one who takes it by its number. */
  leave(): void {
    this.#socket.pause();
  }

  close = (): void => {
    this.#socket.terminate();
    this.#end();
  };

  #put(bytes: Uint8Array): void {
    const count = this.#sent ? 0 : Math.max(this.#socket.write(bytes), 0);
    if (count >= bytes.length) return;
    this.#sent ??= Promise.withResolvers();
    // The caller uses its memory again.
    this.#unsent.push(Buffer.from(bytes.subarray(count)));
  }

  #drain(): void {
    for (let [bytes] = this.#unsent; bytes; [bytes] = this.#unsent) {
      const count = Math.max(this.#socket.write(bytes), 0);
      if (count < bytes.length) {
        this.#unsent[0] = bytes.subarray(count);
        return;
      }
      this.#unsent.shift();
    }
    this.#sent?.resolve();
    this.#sent = null;
  }

  #end(): void {
    this.#over = true;
    this.#unsent = [];
    this.#sent?.resolve();
    this.#wake();
  }

  #take(bytes: Uint8Array): void {
    this.#come.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting > MOST_WAITING) this.#socket.pause();
    this.#wake();
  }

  async *#read(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const bytes = this.#come.shift();
      if (bytes) {
        if (this.#waiting > MOST_WAITING) this.#socket.resume();
        this.#waiting -= bytes.length;
        yield bytes;
      } else if (this.#over) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** What Bun calls. Takes who is told of each socket once it is open. */
  static handler(opened: (end: SocketEnd) => void): SocketHandler<SocketEnd> {
    return {
      binaryType: "buffer",
      open: (socket) => {
        socket.data = new SocketEnd(socket);
        opened(socket.data);
      },
      data: (socket, bytes) => socket.data.#take(bytes),
      drain: (socket) => socket.data.#drain(),
      close: (socket) => socket.data.#end(),
      error: (socket) => socket.data.#end(),
    };
  }
}
