// Trees as one archive on their way to the workspace. After the files come, in pieces of a few thousand, lists of their names and
// of their hashes, by which the workspace checks what it has unpacked, and last a member with the transfer's key: an archive without it was cut short.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { encodeEnd, encodeHeader } from "./archive/encode.ts";
import { padding } from "./archive/entry.ts";
import { join, walk, type Found, type Root } from "./walk.ts";

export interface TreeSent {
  readonly files: number;
  readonly bytes: number;
}

export interface SendTreeOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((bytes: number, total: undefined, files: number) => void) | undefined;
  readonly onSkip: (path: string) => void;
}

/** Names and hashes of this many files are held until they are sent. */
const LIST = 4096;
/** In bytes. */
const BUFFER = 256 * 1024;
/** The owner must be able to read what is checked and to enter and move what is unpacked; the true modes are set at the end. */
const NEEDED = { file: 0o400, directory: 0o700, symlink: 0 };

/**
 * Writes the archive of the roots, the tree under `d/`. Gives what was sent, or undefined when the reader went away. Throws RuncodeError
 * `not_found`, `io`; an archive that was thrown out of has no end.
 */
export async function sendTree(
  roots: readonly Root[],
  key: string,
  write: (chunk: Uint8Array) => Promise<boolean>,
  { signal, onProgress, onSkip }: SendTreeOptions,
): Promise<TreeSent | undefined> {
  const out = new Packer(write);
  const top = Buffer.from("d");
  let files = 0;
  let bytes = 0;
  let lists = 0;
  let names: Buffer[] = [];
  let hashes: string[] = [];
  const modes: Buffer[] = [];
  const sendLists = async (): Promise<void> => {
    const suffix = String(lists++).padStart(6, "0");
    await out.member(`m.${suffix}`, Buffer.concat(names));
    await out.member(`h.${suffix}`, Buffer.from(hashes.join("")));
    names = [];
    hashes = [];
  };
  // Several roots share a directory that none of them describes.
  if (roots.some(({ name }) => name.length > 0)) await out.header(directory(top));
  for (const found of walk(roots, onSkip)) {
    signal.throwIfAborted();
    const { type, mode } = found.entry;
    const entry = { ...found.entry, name: join(top, found.entry.name), mode: mode | NEEDED[type] };
    if (entry.mode !== mode)
      modes.push(Buffer.concat([Buffer.from(`${mode.toString(8)}\0./`), found.entry.name, Buffer.alloc(1)]));
    if (type === "file") {
      hashes.push(`${await sendFile(found, entry, out)}\n`);
      names.push(Buffer.concat([Buffer.from("./"), found.entry.name, Buffer.alloc(1)]));
      files++;
      bytes += entry.size;
      if (names.length === LIST) await sendLists();
    } else await out.header(entry);
    onProgress?.(bytes, undefined, files);
    if (out.closed) return undefined;
  }
  if (names.length > 0) await sendLists();
  if (modes.length > 0) await out.member("c", Buffer.concat(modes));
  await out.member("end", Buffer.from(key));
  await out.finish();
  return out.closed ? undefined : { files, bytes };
}

/** Sends a file's entry and content; gives its hash. */
async function sendFile({ path }: Found, entry: Found["entry"], out: Packer): Promise<string> {
  const shown = path.toString();
  const changed = (): RuncodeError =>
    new RuncodeError("io", `${shown} changed while it was being read; nothing was changed on the workspace`, {
      hint: "try again when nobody writes to it",
    });
  let fd: number;
  try {
    // What was a file a moment ago may be a link or a FIFO by now.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw ioError(`cannot read ${shown}`, cause);
  }
  try {
    const hash = new Bun.CryptoHasher("sha256");
    await out.header(entry);
    for (let left = entry.size; left > 0;) {
      const chunk = await out.fill(left, (buffer, at, length) => {
        try {
          return readSync(fd, buffer, at, length, null);
        } catch (cause) {
          throw ioError(`cannot read ${shown}`, cause);
        }
      });
      if (chunk.length === 0) throw changed();
      hash.update(chunk);
      left -= chunk.length;
      if (out.closed) return "";
    }
    await out.bytes(Buffer.alloc(padding(entry.size)));
    const { size, mtimeNs } = fstatSync(fd, { bigint: true });
    if (size !== BigInt(entry.size) || mtimeNs !== entry.mtimeNs) throw changed();
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

function directory(name: Buffer): Found["entry"] {
  return {
    name,
    type: "directory",
    mode: 0o755,
    size: 0,
    mtimeNs: BigInt(Date.now()) * 1_000_000n,
    link: Buffer.alloc(0),
  };
}

/** Gathers small pieces into writes of a size that costs nothing. */
class Packer {
  /** The reader went away; what is written from then on is dropped. */
  closed = false;
  readonly #write: (chunk: Uint8Array) => Promise<boolean>;
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  #total = 0;

  constructor(write: (chunk: Uint8Array) => Promise<boolean>) {
    this.#write = write;
  }

  header(entry: Found["entry"]): Promise<void> {
    return this.bytes(encodeHeader(entry));
  }

  async member(name: string, content: Buffer): Promise<void> {
    await this.header({ ...directory(Buffer.from(name)), type: "file", mode: 0o600, size: content.length });
    await this.bytes(content);
    await this.bytes(Buffer.alloc(padding(content.length)));
  }

  async bytes(piece: Buffer): Promise<void> {
    for (let done = 0; done < piece.length;) {
      done += (
        await this.fill(piece.length - done, (buffer, at, length) => piece.copy(buffer, at, done, done + length))
      ).length;
    }
  }

  /** Lets `read` fill the room there is, of at most `max` bytes; gives what it filled, valid until the next call. */
  async fill(max: number, read: (buffer: Buffer, at: number, length: number) => number): Promise<Buffer> {
    if (this.#used === BUFFER) await this.#flush();
    const at = this.#used;
    const count = read(this.#buffer, at, Math.min(max, BUFFER - at));
    this.#used += count;
    this.#total += count;
    return this.#buffer.subarray(at, at + count);
  }

  async finish(): Promise<void> {
    await this.bytes(encodeEnd(this.#total));
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const chunk = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    if (!this.closed && chunk.length > 0 && !(await this.#write(chunk))) this.closed = true;
  }
}
