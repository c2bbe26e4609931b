// Large files, whose content this program does not carry: ssh is given the open file itself as its stdin or stdout, and the hash is
// computed by reading the same pages beside it. What cannot be said on such a channel (is it whole? may it have its name?) is said on a second one,
// whose end, however it comes about, makes the workspace drop what it has.
import { readFileSync, readSync } from "node:fs";
import { ioError } from "../../platform/files.ts";
import { spawnScript, type RemoteProcess } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer, type Answer } from "./answer.ts";
import { ByteReader } from "./archive/bytes.ts";
import { readAnswers } from "./output.ts";
import { putParameters, type PutFileOptions } from "./put-file.ts";
import type { RemotePath } from "./remote-path.ts";
import { PUT_CONTENT, PUT_FILE } from "./scripts.ts";
import { mustBeUnchanged, type OpenFile, type Sent } from "./source.ts";
import { endLine, newKey } from "./trailer.ts";

/** From this size on, in bytes, a second channel costs less than carrying the content. */
export const LARGE = 8 * 1024 * 1024;
const CHUNK = 1024 * 1024;
const MAX_LINE = 64 * 1024;

/** As `putFile`, for a file of this machine and a target with a master. */
export async function putLargeFile(
  target: SshTarget,
  file: OpenFile,
  to: RemotePath,
  options: PutFileOptions,
): Promise<Sent & { readonly verified: boolean }> {
  const { signal, onProgress } = options;
  const key = newKey();
  const size = String(file.stat.size);
  const parameters = putParameters(key, target, to, options);
  const control = spawnScript(target, PUT_FILE, [...parameters, size], { stdin: true, signal });
  const answers = new ByteReader(control.stdout);
  const fail = async (answer: Answer | null): Promise<never> => {
    await control.end();
    const ended = await control.ended;
    signal.throwIfAborted();
    throw answer ? answerError(answer, to.shown, target.workdir) : noAnswer(ended, to.shown);
  };
  try {
    const first = await nextAnswer(answers, key);
    if (first?.word !== "ready") return await fail(first);
    const content = spawnScript(target, PUT_CONTENT, [key, target.workdir, to.path, size], { stdin: file.fd, signal });
    const [sent, theirs] = await Promise.all([
      hashWhole(file.fd, signal),
      hashThere(content, key, file.fd, onProgress),
    ]);
    signal.throwIfAborted();
    if (theirs.word !== "hash") return await fail(theirs);
    mustBeUnchanged(file.fd, file.stat, sent.bytes, file.shown);
    const verified = theirs.detail !== "none";
    if (verified && theirs.detail !== sent.sha256) return await fail({ word: "damaged", detail: "" });
    await control.write(endLine(key, sent.sha256));
    await control.end();
    const last = await nextAnswer(answers, key);
    if (last?.word !== "ok") return await fail(last);
    await control.ended;
    return { ...sent, verified };
  } catch (error) {
    // The end of its stdin without the line that it waits for makes the script remove what came.
    await control.end();
    await control.ended;
    signal.throwIfAborted();
    throw error;
  }
}

/** What became of the content on its channel; a channel that failed is told by what stood on stderr. */
async function hashThere(
  content: RemoteProcess,
  key: string,
  fd: number,
  onProgress: PutFileOptions["onProgress"],
): Promise<Answer> {
  const watch = setInterval(() => onProgress?.(position(fd)), 200);
  try {
    const [output, { stderr }] = await Promise.all([readAnswers(content.stdout), content.ended]);
    const answer = findAnswer(output, key);
    // When the disk is full, they say so here only.
    if (/^(?:tee|cat|receive): /m.test(stderr)) return { word: "io", detail: stderr };
    return answer ?? { word: "cut", detail: stderr };
  } finally {
    clearInterval(watch);
  }
}

/** How far ssh has read: the file's position is shared with it. Linux alone tells; elsewhere 0. */
function position(fd: number): number {
  try {
    return Number(/^pos:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Hashes a file from its beginning to its end without moving its position. Throws RuncodeError `io`. */
async function hashWhole(fd: number, signal: AbortSignal): Promise<Sent> {
  const follower = new Follower(fd);
  while (follower.step() > 0) {
    signal.throwIfAborted();
    // Signals and the other channel have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return follower.finish();
}

/** Hashes a file that still grows, until `whole` says that it does not. */
export async function hashGrowing(
  fd: number,
  whole: Promise<unknown>,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Sent> {
  const follower = new Follower(fd);
  let ended = false;
  const end = whole.then(() => {
    ended = true;
  });
  for (;;) {
    signal.throwIfAborted();
    // The order matters: what is read after the end was seen is all there is.
    const last = ended;
    if (follower.step() > 0) {
      onProgress(follower.bytes);
      await new Promise((resolve) => setImmediate(resolve));
    } else if (last) return follower.finish();
    else await Promise.race([end, Bun.sleep(5)]);
  }
}

class Follower {
  bytes = 0;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(CHUNK);
  readonly #hash = new Bun.CryptoHasher("sha256");

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes in one chunk more; gives its length, 0 at the end. */
  step(): number {
    try {
      const count = readSync(this.#fd, this.#buffer, 0, CHUNK, this.bytes);
      this.#hash.update(this.#buffer.subarray(0, count));
      this.bytes += count;
      return count;
    } catch (cause) {
      throw ioError("cannot read the file", cause);
    }
  }

  finish(): Sent {
    return { bytes: this.bytes, sha256: this.#hash.digest("hex") };
  }
}

async function nextAnswer(bytes: ByteReader, key: string): Promise<Answer | null> {
  for (let line = await bytes.line(MAX_LINE); line !== null; line = await bytes.line(MAX_LINE)) {
    const answer = findAnswer(line.toString("utf8"), key);
    if (answer) return answer;
  }
  return null;
}
