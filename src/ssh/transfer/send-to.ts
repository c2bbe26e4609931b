// What is sent to a script on the workspace, which answers once it has all of it.
import { spawnScript, type RemoteProcess } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer } from "./answer.ts";
import { readAnswers } from "./output.ts";
import type { RemotePath } from "./remote-path.ts";

export interface Receiver {
  readonly script: string;
  readonly parameters: readonly string[];
  /** Its answer carries it. */
  readonly key: string;
  /** What it is sent for. */
  readonly to: RemotePath;
  readonly signal: AbortSignal;
}

/**
 * Takes a script and a function that sends it all that it waits for; without the last of that it drops what it has. Gives what the
 * function gives; `verified` is false where the workspace could compare sizes only. Throws what the function throws, why the signal
 * was aborted, and RuncodeError as the script answers, `ssh_failed` where it does not.
 */
export async function sendTo<T extends object>(
  target: SshTarget,
  { script, parameters, key, to, signal }: Receiver,
  send: (write: RemoteProcess["write"]) => Promise<T | undefined>,
): Promise<T & { readonly verified: boolean }> {
  const remote = spawnScript(target, script, parameters, { stdin: true, signal });
  const answers = readAnswers(remote.stdout);
  let sent: T | undefined;
  let failure: unknown;
  try {
    sent = await send((chunk) => remote.write(chunk));
  } catch (error) {
    failure = error;
  }
  await remote.end();
  const [ended, output] = await Promise.all([remote.ended, answers]);
  signal.throwIfAborted();
  if (failure) throw failure;
  const answer = findAnswer(output, key);
  if (!answer) throw noAnswer(ended, to.shown);
  if (answer.word !== "ok" || !sent) throw answerError(answer, to.shown, target.workdir);
  return { ...sent, verified: answer.detail !== "none" };
}
