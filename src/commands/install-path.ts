import path from "node:path";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Put the program's folder on your shell's PATH",
  description:
    "Adds a marked block to the file that your shell reads at its start: ~/.bashrc, .zshrc, fish's config.fish or ~/.profile (on macOS " +
    "bash's login file). On Windows it says what to type.",
  options: {
    remove: { kind: "flag", summary: "take the block out again" },
    shell: {
      kind: "string",
      placeholder: "NAME",
      choices: ["bash", "zsh", "fish", "sh"],
      summary: "for this shell instead of $SHELL",
    },
    dryRun: { kind: "flag", summary: "say what would change and write nothing" },
  },
  examples: [
    ["./runcode install-path", "after which a new shell finds runcode"],
    ["runcode install-path --remove", "undo it"],
  ],
  schema: () => import("../protocol/output/install-path.ts"),
  async run({ remove, shell: named, dryRun }, { env, paths, platform, self, out }) {
    const { lastingSelf } = await import("../platform/self.ts");
    const [program] = await lastingSelf(self, env, platform);
    if (program === undefined || self.length > 1)
      throw new RuncodeError("usage", "install-path: this is run from source", {
        hint: "npm run build, then dist/runcode install-path",
      });
    if (platform === "win32") {
      const dir = path.win32.dirname(program);
      const quoted = `'${dir.replaceAll("'", "''")}'`;
      const join = remove ? `(($old -split ';') -ne ${quoted}) -join ';'` : `($old.TrimEnd(';') + ';' + ${quoted})`;
      const command = `$old = [Environment]::GetEnvironmentVariable('Path', 'User'); [Environment]::SetEnvironmentVariable('Path', ${join}, 'User')`;
      return {
        json: { dir, changed: false as const, command },
        text: `In PowerShell, then open a new window:\n  ${command}`,
      };
    }
    const { addToPath, pathLines, removeFromPath, shellOf, startFile, SHELLS } =
      await import("../platform/shell-path.ts");
    const shell = SHELLS.find((each) => each === named) ?? shellOf(env);
    const file = await startFile(shell, { env, home: paths.home, platform });
    const dir = path.dirname(program);
    const { changed, backup } = remove
      ? await removeFromPath(file, !dryRun)
      : await addToPath(file, pathLines(shell, dir), !dryRun);
    if (backup !== null) out.note(`kept a copy of what was there: ${backup}`);
    const json = {
      path: file,
      dir,
      shell,
      changed,
      ...(backup === null ? {} : { backup }),
      ...(dryRun ? { dry_run: true } : {}),
    };
    const done = remove ? `took ${dir} out of ${file}` : `put ${dir} on the PATH in ${file}`;
    const already = remove ? `${file} has no block of runcode.` : `${file} has it already.`;
    if (!changed) return { json, text: already };
    const text = dryRun
      ? `Would have: ${done}`
      : `${done[0]?.toUpperCase()}${done.slice(1)}.${remove ? "" : " Open a new shell."}`;
    return { json, text };
  },
});
