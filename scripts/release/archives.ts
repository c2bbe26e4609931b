// Archives whose bytes follow from what is in them and nothing else: entries in the order given, owned by root, of one time,
// and neither a name nor a clock in gzip's header. Formats: POSIX ustar; PKWARE's APPNOTE for zip.
import { promisify } from "node:util";
import zlib from "node:zlib";

export interface Entry {
  /** With slashes, relative, at most 100 bytes. */
  readonly name: string;
  readonly body: Uint8Array;
  readonly executable?: boolean;
}

const BLOCK = 512;
/** Level 9 takes three times as long for a hundredth less. */
const LEVEL = 6;
// Off the main thread, so that two archives take as long as one.
const gzip = promisify(zlib.gzip);
const deflateRaw = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);

/** Takes entries and the time they bear, in seconds since 1970; gives a gzipped tar file. */
export async function tarGz(entries: readonly Entry[], seconds: number): Promise<Buffer> {
  const parts = entries.flatMap((entry) => [
    tarHeader(entry, seconds),
    entry.body,
    Buffer.alloc((BLOCK - (entry.body.length % BLOCK)) % BLOCK),
  ]);
  return gzip(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]), { level: LEVEL });
}

function tarHeader({ name, body, executable }: Entry, seconds: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`too long for a tar header: ${name}`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    header.write(value.toString(8).padStart(width - 1, "0"), at);
  };
  header.write(name, 0);
  octal(executable ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(body.length, 124, 12);
  octal(seconds, 136, 12);
  // The checksum is computed with its own field read as blanks.
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  header.write("root", 265);
  header.write("root", 297);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return header;
}

/** Takes entries and the time they bear, in seconds since 1970; gives a zip file. */
export async function zip(entries: readonly Entry[], seconds: number): Promise<Buffer> {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, body, executable } of entries) {
    const packed = await deflateRaw(body, { level: LEVEL });
    const title = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    const { date, time } = dosTime(seconds);
    common.writeUInt16LE(time, 6);
    common.writeUInt16LE(date, 8);
    common.writeUInt32LE(zlib.crc32(body), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(body.length, 18);
    common.writeUInt16LE(title.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), common, title, packed]);
    // Made by Unix, so that the mode in the upper half of the attributes counts.
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100000 + (executable ? 0o755 : 0o644)) * 0x10000, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\u0001\u0002"), Buffer.from([20, 3]), common, tail, title]));
    locals.push(local);
    offset += local.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, index, end]);
}

/** Zip knows local time in steps of two seconds; ours is UTC. */
function dosTime(seconds: number): { date: number; time: number } {
  const at = new Date(seconds * 1000);
  return {
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  };
}
