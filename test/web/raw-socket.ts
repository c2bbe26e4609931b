// A WebSocket as no browser would open one: with whatever headers, and read only when asked to (RFC 6455).
import { randomBytes } from "node:crypto";
import { request, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export class RawSocket {
  readonly stream: Duplex;
  /** Bytes of binary frames that came so far. */
  received = 0;
  readonly texts: string[] = [];
  /** What answered pings carried. */
  readonly pongs = new Set<string>();
  /** Code and reason of the close frame. */
  closed: { code: number; reason: string } | null = null;
  private pending: Buffer[] = [];
  private readonly waiting: (() => void)[] = [];
  private ended = false;
  onBinary: (payload: Buffer) => void = () => {};

  constructor(stream: Duplex, head: Buffer) {
    this.stream = stream;
    stream.on("error", () => {});
    stream.on("close", () => {
      this.ended = true;
      this.wake();
    });
    stream.on("data", (bytes: Buffer) => this.take(bytes));
    if (head.length > 0) this.take(head);
  }

  send(data: string | Buffer, opcode = typeof data === "string" ? 1 : 2): void {
    const payload = Buffer.from(data);
    const length =
      payload.length < 126
        ? Buffer.from([0x80 | payload.length])
        : payload.length < 65_536
          ? Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 255])
          : Buffer.from([0x80 | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((by) => (payload.length >> by) & 255)]);
    const mask = randomBytes(4);
    const masked = Buffer.from(payload.map((byte, at) => byte ^ (mask[at & 3] as number)));
    this.stream.write(Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, masked]));
  }

  /** Resolves when `done` says so, asked after every frame; throws when the connection ends before. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.ended) throw new Error(`the connection ended: ${JSON.stringify(this.closed)}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  close(): void {
    this.stream.destroy();
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private take(bytes: Buffer): void {
    this.pending.push(bytes);
    let all = Buffer.concat(this.pending);
    for (let frame = parse(all); frame; frame = parse(all)) {
      all = all.subarray(frame.size);
      const { opcode, payload } = frame;
      if (opcode === 2) {
        this.received += payload.length;
        this.onBinary(payload);
      } else if (opcode === 1) this.texts.push(payload.toString());
      else if (opcode === 8) this.closed = { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
      else if (opcode === 9) this.send(payload, 10);
      else if (opcode === 10) this.pongs.add(payload.toString());
    }
    this.pending = [all];
    this.wake();
  }
}

function parse(bytes: Buffer): (Frame & { size: number }) | null {
  if (bytes.length < 2) return null;
  const short = (bytes[1] as number) & 127;
  const header = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < header) return null;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < header + length) return null;
  return { opcode: (bytes[0] as number) & 15, payload: bytes.subarray(header, header + length), size: header + length };
}

/** Asks for an upgrade; gives the connection, or the status of the refusal. */
export function openSocket(url: string, headers: Record<string, string>): Promise<RawSocket | number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        ...headers,
      },
    });
    asked.on("upgrade", (_answer: IncomingMessage, stream: Duplex, head: Buffer) =>
      resolve(new RawSocket(stream, head)),
    );
    asked.on("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on("error", reject);
    asked.end();
  });
}
