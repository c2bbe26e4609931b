// One question about jobs: a script is sent, its answer comes back whole or not at all.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import { newId } from "../id.ts";
import { runRemote } from "../run.ts";
import type { SshTarget } from "../target.ts";
import { jobError, sectionsOf, type Section } from "./answer.ts";

export interface Question {
  readonly script: string;
  /** $2 and on; $1 is the key. */
  readonly parameters: readonly string[];
  readonly signal: AbortSignal;
  /** For how long the script itself may wait. In milliseconds. */
  readonly waitMs?: number;
  /** Beyond this the answer is refused. In bytes. */
  readonly most?: number;
  readonly stdin?: Uint8Array;
  /** Where it runs; the home directory when it is left out. */
  readonly directory?: string | null;
}

/** What a script may take beside its waiting. In milliseconds. */
const ANSWER_MS = 30_000;
const LONGEST_ANSWER = 1024 * 1024;

/**
 * Sends the script once. Gives the sections of its answer, or null where it ended without one. Throws what `runRemote` throws (`timeout` as
 * `ssh_failed`: it is not the person's limit), and the error that the script answered.
 */
export async function ask(target: SshTarget, question: Question): Promise<Section[] | null> {
  const { script, parameters, signal, waitMs = 0, most = LONGEST_ANSWER, stdin, directory = null } = question;
  const key = newId();
  const parts: Uint8Array[] = [];
  let size = 0;
  const tooMuch = new AbortController();
  const stop = { signal: AbortSignal.any([signal, tooMuch.signal]) };
  await runRemote(target, {
    words: ["/bin/sh", "-c", script, "sh", key, ...parameters],
    directory,
    base: target.workdir,
    stdin: stdin === undefined ? null : only(stdin),
    timeoutMs: waitMs + ANSWER_MS,
    stop,
    output: (stream, bytes, done) => {
      if (stream === "stdout") {
        size += bytes.length;
        if (size <= most) parts.push(Uint8Array.from(bytes));
        else tooMuch.abort(unreadable("more than was asked for"));
      }
      done();
    },
  }).catch((error: unknown) => {
    if (!(error instanceof RuncodeError) || error.code !== "timeout") throw error;
    throw new RuncodeError("ssh_failed", "the workspace did not answer in time", { phase: "remote", cause: error });
  });
  const sections = sectionsOf(Buffer.concat(parts), key);
  const last = sections?.at(-1);
  if (last?.name === "failed") throw jobError(last.detail);
  return sections;
}

/** The error for an answer that is none. It has no phase: the connection is well, and to ask again would not help. */
export function unreadable(what: string): RuncodeError {
  return new RuncodeError("ssh_failed", `the workspace's answer about jobs cannot be read: ${printable(what)}`, {
    hint: "jobs need a POSIX shell at /bin/sh there",
  });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
