// The word about a newer version, once a day. Nobody waits for the network: what is said was learned by an earlier check,
// which a process of its own made in the background and left in a file.
import { spawn } from "node:child_process";
import path from "node:path";
import * as v from "valibot";
import type { Clock } from "../platform/clock.ts";
import { ensurePrivateDir, readIfThere, replaceFile } from "../platform/files.ts";
import { originOf } from "./origin.ts";
import { isNewer, isVersion, latestVersion } from "./release.ts";

const DAY_MS = 24 * 3600 * 1000;

const Known = v.object({
  /** Milliseconds since the epoch; a check counts from when it began, so that one that fails is not repeated all day. */
  checked_at: v.number(),
  told_at: v.number(),
  latest: v.nullable(v.pipe(v.string(), v.check(isVersion))),
  /** The command that upgrades; null where nothing is to be said. */
  advice: v.nullable(v.picklist(["runcode upgrade", "brew upgrade runcode", "npm install -g runcode@latest"])),
});
type Known = v.InferOutput<typeof Known>;

export interface NoticeDeps {
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly version: string;
  readonly self: readonly string[];
}

const fileIn = (cacheDir: string): string => path.join(cacheDir, "newer-version.json");

/** Gives the line to show, or null; starts the day's check where it is due. Never throws: it is the least of what was asked. */
export async function mention(deps: NoticeDeps): Promise<string | null> {
  try {
    const now = deps.clock.now();
    const known = await read(deps.cacheDir);
    const due = (last: number): boolean => now - last >= DAY_MS || last > now;
    const told = due(known.told_at) ? text(known, deps.version) : null;
    const check = due(known.checked_at);
    if (told === null && !check) return null;
    await write(deps.cacheDir, {
      ...known,
      told_at: told === null ? known.told_at : now,
      checked_at: check ? now : known.checked_at,
    });
    if (check) startCheck(deps.self, deps.cacheDir);
    return told;
  } catch {
    return null;
  }
}

/** In the background process: asks the release page and leaves the answer. Throws as `latestVersion`, and `io`. */
export async function remember(base: string, deps: NoticeDeps, signal: AbortSignal): Promise<void> {
  const latest = await latestVersion(base, signal);
  const origin = await originOf(deps.self);
  const advice =
    origin.method === "script"
      ? "runcode upgrade"
      : origin.method === "homebrew" || origin.method === "npm"
        ? (origin.advice as Known["advice"])
        : null;
  await write(deps.cacheDir, { ...(await read(deps.cacheDir)), latest, advice });
}

function text({ latest, advice }: Known, version: string): string | null {
  if (latest === null || advice === null || !isNewer(latest, version)) return null;
  return `runcode ${latest} is out (this is ${version}): ${advice}`;
}

async function read(cacheDir: string): Promise<Known> {
  const text = await readIfThere(fileIn(cacheDir));
  try {
    return v.parse(Known, JSON.parse(text ?? ""));
  } catch {
    return { checked_at: 0, told_at: 0, latest: null, advice: null };
  }
}

async function write(cacheDir: string, known: Known): Promise<void> {
  await ensurePrivateDir(cacheDir);
  await replaceFile(fileIn(cacheDir), `${JSON.stringify(known)}\n`);
}

function startCheck([program, ...script]: readonly string[], cwd: string): void {
  if (program === undefined) return;
  const child = spawn(program, [...script, "upgrade", "--remember", "--quiet"], {
    cwd,
    detached: true,
    stdio: "ignore",
    windowsHide: true,
  });
  child.once("error", () => {});
  child.unref();
}
