// Trees, or several files at once, to the workspace.
import { spawnScript } from "../remote-process.ts";
import type { SshTarget } from "../target.ts";
import { answerError, findAnswer, noAnswer } from "./answer.ts";
import { readAnswers } from "./output.ts";
import type { RemotePath } from "./remote-path.ts";
import { sendTree, type SendTreeOptions, type TreeSent } from "./send-tree.ts";
import { newKey } from "./trailer.ts";
import { PUT_TREE } from "./tree-scripts.ts";
import type { Root } from "./walk.ts";

/**
 * Puts the roots into the directory `to`, which becomes what they are (one root without a name) or holds them. What is there already and not
 * among them stays. Throws RuncodeError `conflict`, `not_found`, `io`, `ssh_failed`; nothing is then changed, unless the workspace itself
 * failed in the midst of moving files into a directory that was there before.
 */
export async function putTree(
  target: SshTarget,
  roots: readonly Root[],
  to: RemotePath,
  options: SendTreeOptions & { readonly keep: boolean },
): Promise<TreeSent & { readonly verified: boolean }> {
  const key = newKey();
  const parameters = [key, target.workdir, to.path, options.keep ? "n" : ""];
  const remote = spawnScript(target, PUT_TREE, parameters, { stdin: true, signal: options.signal });
  const answers = readAnswers(remote.stdout);
  let sent: TreeSent | undefined;
  let failure: unknown;
  try {
    sent = await sendTree(roots, key, (chunk) => remote.write(chunk), options);
  } catch (error) {
    failure = error;
  }
  // An archive without its last member is dropped there.
  await remote.end();
  const [ended, output] = await Promise.all([remote.ended, answers]);
  options.signal.throwIfAborted();
  if (failure) throw failure;
  const answer = findAnswer(output, key);
  if (!answer) throw noAnswer(ended, to.shown);
  if (answer.word !== "ok" || !sent) throw answerError(answer, to.shown, target.workdir);
  return { ...sent, verified: answer.detail !== "none" };
}
