// A question about files of a workspace: the script of src/ssh/files run on the session that is meant, and its answer read.
import { runScript, type Said } from "../bundle/script.ts";
import type { Session } from "../bundle/session.ts";
import type { Asked, Question } from "../ssh/files/part.ts";
import { newKey } from "../ssh/transfer/trailer.ts";
import { remotePath } from "../ssh/transfer/remote-path.ts";
import type { Call } from "./tool.ts";

/** What start-up files may print before the answer, in bytes. */
export const ROOM_FOR_NOISE = 64 * 1024;
/** A question that takes longer is asked too widely. In milliseconds. */
const TIMEOUT_MS = 120_000;

export interface AskOptions<T> {
  /** How much is kept of what the workspace says, in bytes. */
  readonly most: number;
  readonly question: (asked: Asked) => Question;
  readonly read: (said: Said, asked: Asked) => T;
}

/** Throws what the session, `runOn` and the reader throw. */
export async function ask<T>(
  call: Call,
  workspace: string | undefined,
  path: string,
  { most, question, read }: AskOptions<T>,
): Promise<{ readonly session: Session; readonly answer: T }> {
  const from = remotePath(path);
  const session = await call.session(workspace);
  const asked = { key: newKey(), from, workdir: session.workdir };
  const said = await runScript(await call.sessions(), session, {
    ...question(asked),
    most,
    timeoutMs: TIMEOUT_MS,
    stop: { signal: call.signal, hurry: call.hurry },
  });
  return { session, answer: read(said, asked) };
}
