// A directory of the workspace, unpacked here in a directory of its own, checked, and then moved to its place.
import { RuncodeError } from "../../protocol/errors.ts";
import { spawnScript, type RemoteEnd } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer } from "./answer.ts";
import { ByteReader } from "./archive/bytes.ts";
import { Comparison } from "./comparison.ts";
import { stageTree, type Staging } from "./place-tree.ts";
import type { RemotePath } from "./remote-path.ts";
import { newKey } from "./trailer.ts";
import { GET_TREE } from "./tree-scripts.ts";
import { unpack, type Unpacked, type UnpackOptions } from "./unpack.ts";

export interface GetTreeOptions extends Omit<UnpackOptions, "onHash"> {
  /** Replace nothing. */
  readonly keep: boolean;
  /** As `TransferOptions` has it. */
  readonly allow?: (place: string) => string;
  /** This program's cache: see local-part.ts. */
  readonly cache: string;
}

/** Of start-up files before the first line of ours, and of one line of ours, in bytes. */
const MAX_LINE = 64 * 1024;
const MAX_NOISE_LINES = 1000;

/**
 * Gets the directory's tree as `place`; what is there already and not in the tree stays. Throws RuncodeError `not_found`, `conflict`,
 * `io`, `ssh_failed`; nothing is then changed here. Gives null for what is not a directory.
 */
export async function getTree(
  target: SshTarget,
  from: RemotePath,
  place: string,
  options: GetTreeOptions,
): Promise<(Unpacked & { readonly verified: boolean }) | null> {
  const { signal, keep, cache, allow = (file) => file } = options;
  const key = newKey();
  const remote = spawnScript(target, GET_TREE, [key, target.workdir, from.path], { stdin: false, signal });
  const bytes = new ByteReader(remote.stdout);
  const comparison = new Comparison();
  let staging: Staging | undefined;
  try {
    if (!(await head(bytes, key, remote.ended, from, target.workdir))) return null;
    staging = await stageTree(() => allow(place), key, { keep, cache });
    const unpacked = await unpack(bytes, staging.dir, { ...options, onHash: (hash) => comparison.ours(hash) });
    const word = await list(bytes, key, comparison);
    const ended = await remote.ended;
    signal.throwIfAborted();
    if (word === null) throw noAnswer(ended, from.shown);
    if (word === "failed") throw answerError({ word: "io", detail: ended.stderr.trim() }, from.shown, target.workdir);
    if (word === "ok") comparison.mustAgree(from.shown);
    staging.commit();
    return { ...unpacked, verified: word === "ok" };
  } catch (error) {
    remote.kill();
    const ended = await remote.ended;
    signal.throwIfAborted();
    // The end of the stream where there should have been more: ssh knows why.
    if (error instanceof RuncodeError && error.code === "ssh_failed") throw noAnswer(ended, from.shown);
    throw error;
  } finally {
    staging?.close();
  }
}

/** Reads up to the line after which the archive begins; false where there is a file and no directory. */
async function head(
  bytes: ByteReader,
  key: string,
  ended: Promise<RemoteEnd>,
  from: RemotePath,
  workdir: string,
): Promise<boolean> {
  for (let count = 0; count < MAX_NOISE_LINES; count++) {
    const line = (await bytes.line(MAX_LINE))?.toString("utf8");
    if (line === undefined) break;
    const answer = findAnswer(line, key);
    if (answer?.word === "head") return true;
    if (answer?.word === "file") return false;
    if (answer) throw answerError(answer, from.shown, workdir);
  }
  throw noAnswer(await ended, from.shown);
}

/** Reads the hashes and the last line; gives its word, or null where it is missing. */
async function list(bytes: ByteReader, key: string, comparison: Comparison): Promise<string | null> {
  // What fills up the archive's last record.
  await bytes.skipZeros();
  for (let line = await bytes.line(MAX_LINE); line !== null; line = await bytes.line(MAX_LINE)) {
    const text = line.toString("utf8");
    const answer = findAnswer(text, key);
    if (answer?.word === "end") return answer.detail;
    const found = /^\\?([0-9a-f]{64}) [ *]?(.*)$/.exec(text);
    if (found) comparison.theirs(found[1] as string, found[2] as string);
  }
  return null;
}
