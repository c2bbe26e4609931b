// A newer version of this program: where it is published (release.ts, download.ts), how this one came here and who may
// replace it (origin.ts), how it is replaced without a moment in which it is missing or broken (swap.ts), and the word
// about it once a day (when.ts, notice.ts). Everything from the network is checked against the release's checksums, and
// nothing is replaced that another installer looks after.
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { ensurePrivateDir, withLock } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { ScriptOrigin } from "./origin.ts";
import { downloadBuild, extractProgram } from "./release.ts";
import { swapIn } from "./swap.ts";

export { originOf, type Origin } from "./origin.ts";
export { isNewer, isVersion, latestVersion, releaseBase } from "./release.ts";

export interface UpgradeDeps {
  /** See `releaseBase`. */
  readonly base: string;
  readonly cacheDir: string;
  readonly platform: NodeJS.Platform;
  readonly signal: AbortSignal;
}

/**
 * Puts `version` in the place of the program that the script installed. Throws `not_found` and `network` for what cannot be
 * had, `upgrade_failed` for what is not what the release says or does not run, `io`; the old program then stands as it was.
 */
export async function upgradeTo(version: string, { binary, target }: ScriptOrigin, deps: UpgradeDeps): Promise<void> {
  await ensurePrivateDir(deps.cacheDir);
  const work = (): Promise<void> => replace(version, binary, target, deps);
  await withLock(path.join(deps.cacheDir, "upgrade.lock"), work, 1000);
}

async function replace(version: string, binary: string, target: string, deps: UpgradeDeps): Promise<void> {
  const dir = await mkdtemp(path.join(deps.cacheDir, "upgrade-"));
  try {
    const archive = await downloadBuild({ ...deps, version, target, dir });
    deps.signal.throwIfAborted();
    await swapIn({
      current: binary,
      platform: deps.platform,
      version,
      fill: (staged) => extractProgram(archive, staged, deps.platform),
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The error for a program that somebody else looks after. */
export function notOurs(what: string, advice: string | null): RuncodeError {
  return new RuncodeError("conflict", what, advice === null ? {} : { hint: advice });
}
