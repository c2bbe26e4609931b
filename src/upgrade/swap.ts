// One program in the place of another, which may be running. There is no moment without a program under the name, and the
// old one comes back when the new one does not answer as it should.
import { randomBytes } from "node:crypto";
import { chmod, copyFile, link, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { ioError } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";

const PATIENCE_MS = 20_000;

interface Swap {
  readonly current: string;
  readonly version: string;
  readonly platform: NodeJS.Platform;
  /** Writes the new program into a file beside the old one. */
  readonly fill: (staged: string) => Promise<void>;
}

/** Throws `upgrade_failed` when the new program does not say `version`, `io`; `current` is then what it was. */
export async function swapIn({ current, version, platform, fill }: Swap): Promise<void> {
  const dir = path.dirname(current);
  const ending = platform === "win32" ? ".exe" : "";
  const staged = path.join(dir, `.runcode.${randomBytes(6).toString("hex")}${ending}`);
  const previous = path.join(dir, `.runcode.previous${ending}`);
  try {
    const { mode } = await stat(current);
    await writeFile(staged, "", { flag: "wx", mode: 0o600 });
    await fill(staged);
    await chmod(staged, mode & 0o777);
    await expectVersion(staged, version);
    // One that an upgrade left which was killed, or, on Windows, that was still running then.
    await rm(previous, { force: true });
    await keep(current, previous, platform);
    try {
      await rename(staged, current);
      await expectVersion(current, version);
    } catch (error) {
      await rename(previous, current);
      throw error;
    }
  } catch (error) {
    throw ioError(`cannot replace ${current}`, error);
  } finally {
    await rm(staged, { force: true }).catch(() => {});
    // Windows lets nobody remove a program that runs; the next upgrade does.
    await rm(previous, { force: true }).catch(() => {});
  }
}

/** A second name for the old program. Windows lets a running one be renamed and nothing else. */
async function keep(current: string, previous: string, platform: NodeJS.Platform): Promise<void> {
  if (platform === "win32") return rename(current, previous);
  // Not every file system has hard links.
  await link(current, previous).catch(() => copyFile(current, previous));
}

async function expectVersion(file: string, version: string): Promise<void> {
  const said = await answer(file);
  if (said === version) return;
  throw new RuncodeError("upgrade_failed", `the new program does not answer as version ${version}`, {
    hint: "the old one was kept",
  });
}

/** What a program prints for `--version`, or null. */
async function answer(file: string): Promise<string | null> {
  try {
    const child = Bun.spawn([file, "--version"], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: PATIENCE_MS,
      killSignal: "SIGKILL",
    });
    const text = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? text.trim() : null;
  } catch {
    return null;
  }
}
