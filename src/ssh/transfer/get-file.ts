// One file from the workspace, to a file here or to a stream: hashed on the way and compared with the hash that the
// workspace computes meanwhile.
import { fsyncSync, writeSync } from "node:fs";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { spawnScript } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer } from "./answer.ts";
import { hashGrowing, LARGE } from "./large-file.ts";
import type { RemotePath } from "./remote-path.ts";
import { GET_CONTENT, GET_FILE } from "./scripts.ts";
import type { Sent } from "./source.ts";
import { newKey, readEndLine, TRAILER_LENGTH } from "./trailer.ts";

export interface Attributes {
  readonly mode: number;
  /** Seconds since the epoch, with a fraction where the workspace tells it. */
  readonly mtime: number;
  /** As it was when reading began. */
  readonly size: number;
}

/** Where the content goes. `open` comes first, once the file is known to be there; only then may anything be made here. */
export interface Sink {
  /** Whether `open` gives a file's descriptor, open for reading and writing, which ssh may then write by itself. */
  readonly isFile?: boolean;
  open(attributes: Attributes, key: string): number | void | Promise<number | void>;
  write(chunk: Uint8Array): void | Promise<void>;
}

export interface GetFileOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (bytes: number, size: number) => void;
}

/** What start-up files may print before the first line of ours, in bytes. */
const MAX_NOISE = 64 * 1024;

/**
 * Streams the file into the sink. Gives null for a directory. Throws RuncodeError `not_found`, `conflict` (neither file nor
 * directory), `io` (unreadable, or not what was sent), `ssh_failed`; what was written to the sink is then worth nothing.
 */
export async function getFile(
  target: SshTarget,
  from: RemotePath,
  sink: Sink,
  { signal, onProgress }: GetFileOptions,
): Promise<(Sent & Attributes & { readonly verified: boolean }) | null> {
  const key = newKey();
  // Without a master every channel is a connection, and two cost more than they save.
  const limit = sink.isFile && target.controlPath !== null ? String(LARGE) : "";
  const remote = spawnScript(target, GET_FILE, [key, target.workdir, from.path, limit], { stdin: false, signal });
  const hash = new Bun.CryptoHasher("sha256");
  let attributes: Attributes | undefined;
  let bytes = 0;
  let beside: Promise<Sent> | undefined;
  // What came last may be the trailer, so that much is always held back.
  let held = Buffer.alloc(0);
  try {
    for await (const piece of remote.stdout) {
      let chunk: Uint8Array = piece;
      if (!attributes) {
        held = Buffer.concat([held, chunk]);
        const head = findHead(held, key);
        if (!head) {
          if (held.length > MAX_NOISE) break;
          continue;
        }
        // What start-up files print would be in the file: there is no line of ours to tell where it ends.
        if (head.beside && head.noise) {
          remote.kill();
          await remote.ended;
          return await getFile(target, from, { ...sink, isFile: false }, { signal, ...(onProgress && { onProgress }) });
        }
        attributes = head.attributes;
        const fd = await sink.open(attributes, key);
        if (head.beside) beside = getContent(target, from, fd as number, attributes.size, { signal, onProgress });
        // It is awaited below; until then a failure of it is not unhandled.
        beside?.catch(() => {});
        chunk = held.subarray(head.length);
        held = Buffer.alloc(0);
      }
      const whole = held.length + chunk.length - TRAILER_LENGTH;
      if (whole <= 0) {
        held = Buffer.concat([held, chunk]);
        continue;
      }
      const fromHeld = held.subarray(0, Math.min(held.length, whole));
      const fromChunk = chunk.subarray(0, whole - fromHeld.length);
      for (const part of [fromHeld, fromChunk]) {
        if (part.length === 0) continue;
        hash.update(part);
        await sink.write(part);
      }
      held = Buffer.concat([held.subarray(fromHeld.length), chunk.subarray(fromChunk.length)]);
      bytes += whole;
      onProgress?.(bytes, attributes.size);
    }
  } catch (error) {
    remote.kill();
    await Promise.allSettled([remote.ended, beside]);
    signal.throwIfAborted();
    throw error;
  }
  const ended = await remote.ended;
  signal.throwIfAborted();
  if (!attributes) {
    const answer = findAnswer(held.toString("utf8"), key);
    if (answer?.word === "directory") return null;
    throw answer ? answerError(answer, from.shown, target.workdir) : noAnswer(ended, from.shown);
  }
  const content = beside ? await beside : { bytes, sha256: hash.digest("hex") };
  const theirs = readEndLine(held, key);
  if (theirs === null) throw noAnswer(ended, from.shown);
  if (theirs.startsWith("x"))
    throw new RuncodeError("io", `${from.shown} could not be read to its end on the workspace`);
  const verified = !theirs.startsWith("-");
  if (verified ? theirs !== content.sha256 : content.bytes !== attributes.size) {
    throw new RuncodeError("io", `${from.shown}: what arrived is not what the workspace has`, {
      hint: "somebody writes to it, or it was damaged on the way; try again",
    });
  }
  return { ...content, verified, ...attributes };
}

/** Lets ssh write the content into the file, and hashes it as it grows. */
async function getContent(
  target: SshTarget,
  from: RemotePath,
  fd: number,
  size: number,
  { signal, onProgress }: { signal: AbortSignal; onProgress: GetFileOptions["onProgress"] },
): Promise<Sent> {
  const content = spawnScript(target, GET_CONTENT, ["-", target.workdir, from.path], {
    stdin: false,
    stdout: fd,
    signal,
  });
  const sent = await hashGrowing(fd, content.ended, signal, (bytes) => onProgress?.(bytes, size));
  const ended = await content.ended;
  if (sent.bytes >= size && ended.code === 0) return sent;
  // ssh does not say that it could not write: a byte more says why.
  mustTakeMore(fd, sent.bytes);
  throw noAnswer(ended, from.shown);
}

function mustTakeMore(fd: number, at: number): void {
  try {
    writeSync(fd, Buffer.alloc(1024 * 1024), 0, 1024 * 1024, at);
    fsyncSync(fd);
  } catch (cause) {
    throw ioError("cannot write the file", cause);
  }
}

/** `noise` is whether anything stood before it. */
function findHead(
  bytes: Buffer,
  key: string,
): { attributes: Attributes; length: number; beside: boolean; noise: boolean } | null {
  const found = ["head", "beside"].map((word) => bytes.indexOf(`runcode-${word} ${key} `));
  const start = Math.max(...found);
  const end = start < 0 ? -1 : bytes.indexOf("\n", start);
  if (end < 0) return null;
  const [mode = "", size = "", seconds = "", exact = ""] = bytes.toString("latin1", start, end).split(" ").slice(2);
  const mtime = /^-?\d+\.\d+$/.test(exact) ? Number(exact) : Number(seconds);
  return {
    attributes: {
      mode: /^[0-7]{1,6}$/.test(mode) ? Number.parseInt(mode, 8) & 0o777 : 0o644,
      size: /^\d{1,16}$/.test(size) ? Number(size) : 0,
      mtime: Number.isFinite(mtime) ? mtime : 0,
    },
    length: end + 1,
    beside: (found[1] as number) >= 0,
    noise: start > 0,
  };
}
