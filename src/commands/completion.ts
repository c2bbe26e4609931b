import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
/** What the scripts themselves ask for. */
const NAMES = "workspaces";

export default defineCommand({
  summary: "Print a completion script for your shell",
  description:
    "Commands, flags and their choices are in the script; the names of workspaces come from the cache, without the network.",
  positionals: { shell: { arity: "one", summary: "bash, zsh, fish or powershell", choices: SHELLS } },
  examples: [
    ['eval "$(runcode completion bash)"', "in ~/.bashrc"],
    ['runcode completion zsh > "${fpath[1]}/_runcode"', "zsh"],
    ["runcode completion fish > ~/.config/fish/completions/runcode.fish", "fish"],
    ["runcode completion powershell | Out-String | Invoke-Expression", "in PowerShell's $PROFILE"],
  ],
  schema: () => import("../protocol/output/completion.ts"),
  async run({ shell: named }, context) {
    if (named === NAMES) {
      const { knownTitles } = await import("../bundle/glance.ts");
      const workspaces = await knownTitles(context.paths.cache);
      return { json: { workspaces }, text: workspaces.join("\n") };
    }
    const shell = SHELLS.find((each) => each === named);
    if (!shell) throw new RuncodeError("usage", `completion: ${JSON.stringify(named)} is none of ${SHELLS.join(", ")}`);
    const { SCRIPTS, treeOf } = await import("../cli/completion/index.ts");
    const script = SCRIPTS[shell](treeOf(await context.commands()));
    return { json: { shell, script }, text: script };
  },
});
