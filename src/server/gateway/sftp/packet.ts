// SFTP packets: from a stream of bytes to whole packets, and the fields inside them (draft-ietf-secsh-filexfer-02 §3, §4).

/** As OpenSSH's: clients learn it from limits@openssh.com, others never send more than 34,000 bytes. */
export const MAX_PACKET = 256 * 1024;
/** What fits beside a packet's other fields, whatever they are. */
export const MAX_DATA = MAX_PACKET - 1024;

/** The client does not speak the protocol; there is no way to go on after it. */
export class Malformed extends Error {}

/** Cuts what arrives into packets. A packet that lies within one chunk is not copied. */
export class Packets {
  #header: Buffer = Buffer.alloc(0);
  #packet: Buffer | null = null;
  #filled = 0;

  /** Gives the packets that `chunk` completes, without their length field; throws Malformed on a length out of bounds. */
  *push(chunk: Uint8Array): Generator<Buffer> {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (bytes.length > 0) {
      if (this.#packet !== null) {
        const part = bytes.subarray(0, this.#packet.length - this.#filled);
        this.#packet.set(part, this.#filled);
        this.#filled += part.length;
        bytes = bytes.subarray(part.length);
        if (this.#filled < this.#packet.length) return;
        const packet = this.#packet;
        this.#packet = null;
        yield packet;
        continue;
      }
      if (this.#header.length > 0) {
        bytes = Buffer.concat([this.#header, bytes]);
        this.#header = Buffer.alloc(0);
      }
      if (bytes.length < 4) {
        this.#header = Buffer.from(bytes);
        return;
      }
      const length = bytes.readUInt32BE(0);
      if (length < 1 || length > MAX_PACKET) throw new Malformed(`a packet of ${length} bytes`);
      bytes = bytes.subarray(4);
      if (bytes.length >= length) {
        yield bytes.subarray(0, length);
        bytes = bytes.subarray(length);
      } else {
        this.#packet = Buffer.allocUnsafe(length);
        this.#filled = 0;
      }
    }
  }
}

/** Reads a packet's fields in order; each throws Malformed where the packet ends too early. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  #take(count: number): number {
    const at = this.#at;
    if (count > this.left) throw new Malformed("a packet that ends in the middle of a field");
    this.#at += count;
    return at;
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }
  /** Offsets and sizes; past 2^53 no file reaches. */
  uint64(): number {
    const value = this.#bytes.readBigUInt64BE(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed("an offset past the end of any file");
    return Number(value);
  }
  /** The bytes themselves: file names are bytes, not text. Valid as long as the packet is. */
  string(): Buffer {
    const length = this.uint32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  text(): string {
    return this.string().toString("utf8");
  }
}

/** Builds one packet, its length field first. */
export class Writer {
  #bytes: Buffer;
  #length = 4;

  constructor(type: number, room = 256) {
    this.#bytes = Buffer.allocUnsafe(room);
    this.byte(type);
  }
  #grow(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + count));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    this.#length += count;
    return at;
  }
  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }
  // The place is taken first in each: growing may move the bytes.
  byte(value: number): this {
    const at = this.#grow(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }
  uint32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value >>> 0, at);
    return this;
  }
  uint64(value: number | bigint): this {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)), at);
    return this;
  }
  string(value: string | Uint8Array): this {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    this.uint32(bytes.length);
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  finish(): Buffer {
    this.#bytes.writeUInt32BE(this.#length - 4, 0);
    return this.#bytes.subarray(0, this.#length);
  }
}
