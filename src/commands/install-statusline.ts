import path from "node:path";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Show the attached workspace in Claude Code's status line",
  description:
    "Sets statusLine in Claude Code's settings.json (CLAUDE_CONFIG_DIR is honoured); nothing else in that file changes. " +
    "Another status line is replaced with --force only, and --remove brings it back.",
  options: {
    remove: { kind: "flag", summary: "take it out again" },
    force: { kind: "flag", summary: "replace a status line that is not ours" },
  },
  examples: [
    ["runcode install-statusline", "after which a session shows the workspace that its directory attached"],
    ["runcode install-statusline --remove", "restore what was there"],
  ],
  schema: () => import("../protocol/output/install-statusline.ts"),
  async run({ remove, force }, { env, paths, platform, self, out }) {
    if (remove && force) throw new RuncodeError("usage", "install-statusline: --remove and --force do not go together");
    const { installStatusLine, removeStatusLine } = await import("../platform/claude-settings.ts");
    const place = { env, home: paths.home };
    const memory = path.join(paths.config, "statusline.json");
    if (remove) {
      const { file, changed } = await removeStatusLine(place, { memory });
      const text = changed ? `Took the status line out of ${file}.` : `${file} has no status line of runcode.`;
      return { json: { path: file, changed, installed: false }, text };
    }
    const { lastingSelf } = await import("../platform/self.ts");
    const { quoteWord } = await import("../ssh/quote.ts");
    // Claude Code hands the command to a shell: sh, or on Windows one that takes slashes and double quotes.
    const quote = platform === "win32" ? (word: string) => `"${word.replaceAll("\\", "/")}"` : quoteWord;
    const command = [...(await lastingSelf(self, env, platform)).map(quote), "statusline"].join(" ");
    const { file, changed, backup } = await installStatusLine(place, { command, force, memory });
    if (backup !== null) out.note(`kept a copy of what was there: ${backup}`);
    const json = { path: file, changed, installed: true, command, ...(backup === null ? {} : { backup }) };
    return { json, text: changed ? `Set the status line in ${file}.` : "The status line is set already." };
  },
});
