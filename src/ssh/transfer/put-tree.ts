// Trees, or several files at once, to the workspace.
import type { SshTarget } from "../target.ts";
import type { RemotePath } from "./remote-path.ts";
import { sendTo } from "./send-to.ts";
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
  const receiver = { script: PUT_TREE, parameters, key, to, signal: options.signal };
  return await sendTo(target, receiver, async (write) => await sendTree(roots, key, write, options));
}
