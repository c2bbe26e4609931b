// What of a Mach-O file the signature is concerned with: which load commands say where things lie, and the blob at the end
// that holds a hash of every page. Layouts: Apple's <mach-o/loader.h> (little-endian) and cs_blobs.h (big-endian).

const MAGIC_64 = 0xfeedfacf;
const HEADER_BYTES = 32;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;

export const EMBEDDED_SIGNATURE = 0xfade0cc0;
export const CODE_DIRECTORY = 0xfade0c02;
export const HASH_SHA256 = 2;
export const ADHOC = 0x2;

export interface Segment {
  /** Where its load command starts in the file. */
  readonly command: number;
  readonly offset: number;
  readonly size: number;
}

export interface Layout {
  readonly text: Segment;
  readonly linkedit: Segment;
  /** The load command of the signature, and the bytes that it points to. */
  readonly signature: { readonly command: number; readonly offset: number; readonly size: number };
}

/** Takes a thin 64-bit Mach-O file that has a signature, right or wrong; throws for anything else. */
export function layoutOf(file: Buffer): Layout {
  if (file.readUInt32LE(0) !== MAGIC_64) throw new Error("not a thin 64-bit Mach-O file");
  const segments = new Map<string, Segment>();
  let signature: Layout["signature"] | undefined;
  let command = HEADER_BYTES;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    const kind = file.readUInt32LE(command);
    if (kind === LC_SEGMENT_64) {
      const name = file.toString("latin1", command + 8, command + 24).replace(/\0+$/, "");
      segments.set(name, {
        command,
        offset: Number(file.readBigUInt64LE(command + 40)),
        size: Number(file.readBigUInt64LE(command + 48)),
      });
    } else if (kind === LC_CODE_SIGNATURE) {
      signature = { command, offset: file.readUInt32LE(command + 8), size: file.readUInt32LE(command + 12) };
    }
    command += file.readUInt32LE(command + 4);
  }
  const text = segments.get("__TEXT");
  const linkedit = segments.get("__LINKEDIT");
  if (!text || !linkedit || !signature) throw new Error("the file lacks __TEXT, __LINKEDIT or a code signature");
  return { text, linkedit, signature };
}
