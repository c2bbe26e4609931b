// An archive from the workspace, as files here. It is hostile: whatever it says, nothing is written outside the directory that
// was made for it. That directory is new, ours alone (0700) and written by nobody else, so a look at a path's parts and the
// opening of the last one cannot be raced; every part but the last must be a true directory, and the last must not exist.
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { errno, ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { ByteReader } from "./archive/bytes.ts";
import { nextEntry, skipPadding } from "./archive/decode.ts";
import type { Entry } from "./archive/entry.ts";
import { join } from "./walk.ts";

export interface Unpacked {
  readonly files: number;
  readonly bytes: number;
}

export interface UnpackOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((bytes: number, total: undefined, files: number) => void) | undefined;
  /** Told of sockets, FIFOs and devices, which are left out. */
  readonly onSkip: (path: string) => void;
  /** Told of each file's SHA-256. */
  readonly onHash: (sha256: string) => void;
}

/** In bytes: the kernel's own limit of a path. */
const MAX_PATH = 4096;
const CHUNK = 256 * 1024;

/** Unpacks one archive into `root`, an empty directory of ours. Throws RuncodeError `io`, `ssh_failed`. */
export async function unpack(bytes: ByteReader, root: Buffer, options: UnpackOptions): Promise<Unpacked> {
  const tree = new Tree(root);
  let files = 0;
  let total = 0;
  for (let entry = await nextEntry(bytes); entry !== null; entry = await nextEntry(bytes)) {
    options.signal.throwIfAborted();
    const name = safeName(entry.name);
    const place = join(root, name);
    switch (entry.type) {
      case "directory":
        tree.directory(name, entry);
        break;
      case "symlink":
        tree.enter(name);
        writing(place, () => symlinkSync(entry.link, place));
        // Where links have no time of their own, theirs is not worth a failure.
        ignore(() => lutimesSync(place, seconds(entry), seconds(entry)));
        break;
      case "hardlink":
        tree.enter(name);
        options.onHash(hardLink(tree, root, entry, place));
        files++;
        break;
      case "file":
        tree.enter(name);
        options.onHash(await writeFile(bytes, place, entry, options.signal));
        await skipPadding(bytes, entry.size);
        files++;
        total += entry.size;
        break;
      case "other":
        options.onSkip(name.toString());
        break;
    }
    options.onProgress?.(total, undefined, files);
  }
  tree.finish();
  return { files, bytes: total };
}

/** Gives the name's parts joined anew, or throws: no absolute path, no `..`, nothing a kernel would not take. Empty for the root. */
function safeName(name: Buffer): Buffer {
  const plain = name[0] === 0x2e && name[1] === 0x2f ? name.subarray(2) : name;
  // Nearly every name is one part: no slash to look behind, and not `.` or `..`.
  if (plain.length > 0 && plain.length < 256 && plain[0] !== 0x2e && !plain.includes(0x2f)) return plain;
  const parts = name
    .toString("latin1")
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (name[0] === 0x2f || parts.includes("..") || name.length > MAX_PATH) {
    throw new RuncodeError("io", `the workspace sent a path that leads outside: ${name.toString().slice(0, 200)}`, {
      hint: "nothing was changed here; do not trust that workspace",
    });
  }
  return Buffer.from(parts.join("/"), "latin1");
}

/** Which directories there are, and what they become once nothing more goes into them. */
class Tree {
  readonly #root: Buffer;
  /** Those that are open: each inside the one before it. Memory is bounded by depth, not by number. */
  readonly #open: { readonly name: Buffer; readonly entry: Entry }[] = [];
  #verified: Buffer | undefined;

  constructor(root: Buffer) {
    this.#root = root;
  }

  /** Makes sure that every part above the name is a directory and no link. Throws RuncodeError `io`. */
  enter(name: Buffer): void {
    if (name.length === 0) throw hostile(name);
    this.#leave(name);
    const parent = name.subarray(0, Math.max(0, name.lastIndexOf(0x2f)));
    if (this.#verified?.equals(parent)) return;
    for (let slash = 0; slash < parent.length;) {
      const next = parent.indexOf(0x2f, slash + 1);
      slash = next < 0 ? parent.length : next;
      const part = join(this.#root, parent.subarray(0, slash));
      if (!lstatSync(part, { throwIfNoEntry: false })?.isDirectory()) throw hostile(name);
    }
    this.#verified = Buffer.from(parent);
  }

  directory(name: Buffer, entry: Entry): void {
    if (name.length > 0) {
      this.enter(name);
      const place = join(this.#root, name);
      writing(place, () => mkdirSync(place, 0o700));
    }
    this.#open.push({ name: Buffer.from(name), entry });
  }

  finish(): void {
    while (this.#open.length > 0) this.#close();
  }

  /** A directory gets its mode and time when the archive goes on elsewhere: earlier, what is put into it would change them or be refused. */
  #leave(name: Buffer): void {
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1)) {
      if (last.name.length === 0) return;
      if (
        name.length > last.name.length &&
        name[last.name.length] === 0x2f &&
        name.subarray(0, last.name.length).equals(last.name)
      )
        return;
      this.#close();
    }
  }

  #close(): void {
    const last = this.#open.pop();
    if (!last) return;
    const place = join(this.#root, last.name);
    writing(place, () => {
      utimesSync(place, seconds(last.entry), seconds(last.entry));
      chmodSync(place, last.entry.mode & 0o777);
    });
  }
}

function hardLink(tree: Tree, root: Buffer, entry: Entry, place: Buffer): string {
  const name = safeName(entry.link);
  tree.enter(name);
  const old = join(root, name);
  const stat = lstatSync(old, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw hostile(entry.name);
  writing(place, () => linkSync(old, place));
  return new Bun.CryptoHasher("sha256").update(readFileSync(old)).digest("hex");
}

async function writeFile(bytes: ByteReader, place: Buffer, entry: Entry, signal: AbortSignal): Promise<string> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const fd = writing(place, () => openSync(place, flags, 0o600));
  const hash = new Bun.CryptoHasher("sha256");
  try {
    for (let left = entry.size; left > 0;) {
      signal.throwIfAborted();
      const chunk = await bytes.some(Math.min(left, CHUNK));
      if (chunk === null)
        throw new RuncodeError("ssh_failed", "the stream from the workspace ended early", {
          phase: "remote",
          hint: "try again",
        });
      hash.update(chunk);
      writing(place, () => {
        for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done, chunk.length - done);
      });
      left -= chunk.length;
    }
    writing(place, () => {
      // What came from elsewhere gets no set-user-ID and no sticky bit here.
      fchmodSync(fd, entry.mode & 0o777);
      futimesSync(fd, seconds(entry), seconds(entry));
    });
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

/** Node's calls take seconds as a float, which leaves about a quarter of a microsecond. */
function seconds(entry: Entry): number {
  return Number(entry.mtimeNs) / 1e9;
}

function writing<T>(place: Buffer, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (errno(cause) === "EEXIST") throw hostile(place);
    throw ioError(`cannot write ${place.toString()}`, cause);
  }
}

function hostile(name: Buffer): RuncodeError {
  return new RuncodeError("io", `the workspace sent a path that cannot be: ${name.toString().slice(0, 200)}`, {
    hint: "nothing was changed here; names that differ only in case need a file system that tells them apart",
  });
}

function ignore(work: () => void): void {
  try {
    work();
  } catch {
    // Said by the caller.
  }
}
