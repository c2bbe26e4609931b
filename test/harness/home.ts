// A person's home that is thrown away: every XDG place inside it, nothing of the real one visible.
import { mkdtempSync, realpathSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

export interface TestHome {
  readonly dir: string;
  /** A whole environment, not an addition to one. */
  readonly env: Record<string, string>;
  remove(): Promise<void>;
}

/** Makes one under the system's temporary directory, short enough for a control socket. */
export async function testHome(): Promise<TestHome> {
  const dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), "rc-")));
  for (const sub of [".ssh", ".config", ".cache", ".local/state", "run"])
    await mkdir(path.join(dir, sub), { recursive: true, mode: 0o700 });
  return {
    dir,
    env: {
      HOME: dir,
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
      XDG_CONFIG_HOME: path.join(dir, ".config"),
      XDG_CACHE_HOME: path.join(dir, ".cache"),
      XDG_STATE_HOME: path.join(dir, ".local/state"),
      XDG_RUNTIME_DIR: path.join(dir, "run"),
      RUNCODE_NO_KEYCHAIN: "1",
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
