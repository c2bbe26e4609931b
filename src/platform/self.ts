// The name under which this program is to be started later, by an editor, an agent or ssh.
import { realpath } from "node:fs/promises";
import path from "node:path";

/**
 * Takes the argv that started this program; gives the one to write into other programs' settings. Where the PATH leads to
 * the same file, that name is taken: package managers keep it while the file behind it moves with each version.
 */
export async function lastingSelf(
  self: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): Promise<readonly string[]> {
  const [program, ...script] = self;
  if (program === undefined || script.length > 0) return self;
  const real = await realpath(program).catch(() => program);
  const windows = platform === "win32";
  for (const dir of (env["PATH"] ?? env["Path"] ?? "").split(windows ? ";" : ":")) {
    if (!path.isAbsolute(dir)) continue;
    const candidate = path.join(dir, windows ? "runcode.exe" : "runcode");
    if ((await realpath(candidate).catch(() => null)) === real) return [candidate];
  }
  return [program];
}
