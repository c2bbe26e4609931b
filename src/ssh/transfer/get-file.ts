// One file from the workspace, to a file here or to a stream: hashed on the way and compared with the hash that the
// workspace computes meanwhile.
import { RuncodeError } from "../../protocol/errors.ts";
import { spawnScript } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer } from "./answer.ts";
import type { RemotePath } from "./remote-path.ts";
import { GET_FILE } from "./scripts.ts";
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
  open(attributes: Attributes, key: string): void;
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
  const remote = spawnScript(target, GET_FILE, [key, target.workdir, from.path], { stdin: false, signal });
  const hash = new Bun.CryptoHasher("sha256");
  let attributes: Attributes | undefined;
  let bytes = 0;
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
        attributes = head.attributes;
        sink.open(attributes, key);
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
    await remote.ended;
    signal.throwIfAborted();
    throw error;
  }
  const { code, stderr } = await remote.ended;
  signal.throwIfAborted();
  if (!attributes) {
    const answer = findAnswer(held.toString("utf8"), key);
    if (answer?.word === "directory") return null;
    throw answer ? answerError(answer, from.shown, target.workdir) : noAnswer(code, stderr, from.shown);
  }
  const theirs = readEndLine(held, key);
  if (theirs === null) throw noAnswer(code, stderr, from.shown);
  const sha256 = hash.digest("hex");
  if (theirs.startsWith("x"))
    throw new RuncodeError("io", `${from.shown} could not be read to its end on the workspace`);
  const verified = !theirs.startsWith("-");
  if (verified ? theirs !== sha256 : bytes !== attributes.size) {
    throw new RuncodeError("io", `${from.shown}: what arrived is not what the workspace has`, {
      hint: "somebody writes to it, or it was damaged on the way; try again",
    });
  }
  return { bytes, sha256, verified, ...attributes };
}

function findHead(bytes: Buffer, key: string): { attributes: Attributes; length: number } | null {
  const start = bytes.indexOf(`runcode-head ${key} `);
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
  };
}
