// Completion scripts, written from the commands' declarations: a script knows every command, flag and choice by itself, and
// asks the program only for the names of workspaces, which it has from the cache.
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { powershellScript } from "./powershell.ts";
import type { Tree } from "./tree.ts";
import { zshScript } from "./zsh.ts";

export { treeOf } from "./tree.ts";

export const SCRIPTS = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
} as const satisfies Record<string, (tree: Tree) => string>;
