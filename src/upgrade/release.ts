// The release page: which version is the latest, and one build of one version, checked. The layout is the one that
// install.sh reads: latest/download/version.txt and download/vX/{checksums.txt,runcode_<target>.tar.gz}.
import { open } from "node:fs/promises";
import path from "node:path";
import { checkBase } from "../platform/settings.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { downloadFile, downloadText } from "./download.ts";

const RELEASES = "https://github.com/runcode-io/runcode-cli/releases";
const MAX_TEXT_BYTES = 64 * 1024;
/** Several times any archive. */
const MAX_ARCHIVE_BYTES = 512 * 1024 * 1024;

/** RUNCODE_DOWNLOAD_BASE, or the project's own page. Throws `insecure_base` for one that is neither https nor this machine, `usage`. */
export function releaseBase(env: Readonly<Record<string, string | undefined>>): string {
  return checkBase(env["RUNCODE_DOWNLOAD_BASE"] || RELEASES);
}

/** 1.2.3, perhaps with -rc.1. */
export function isVersion(text: string): boolean {
  return text.length <= 64 && /^\d+\.\d+\.\d+(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$/.test(text);
}

/** Whether `version` comes after `current`, by semantic versioning's order. */
export function isNewer(version: string, current: string): boolean {
  return Bun.semver.order(version, current) > 0;
}

export async function latestVersion(base: string, signal: AbortSignal): Promise<string> {
  const text = await downloadText(`${base}/latest/download/version.txt`, { maxBytes: MAX_TEXT_BYTES, signal });
  const version = text.trim();
  if (isVersion(version)) return version;
  throw new RuncodeError("http_error", `${base} names no version as its latest`, {
    hint: "is RUNCODE_DOWNLOAD_BASE right?",
  });
}

interface Build {
  readonly base: string;
  readonly version: string;
  readonly target: string;
  /** Where to put it. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** Gives the path of an archive that has the checksum that its release names. Throws `upgrade_failed` for one that has not. */
export async function downloadBuild({ base, version, target, dir, signal }: Build): Promise<string> {
  const name = `runcode_${target}${target.startsWith("windows_") ? ".zip" : ".tar.gz"}`;
  const from = `${base}/download/v${version}`;
  const sums = await downloadText(`${from}/checksums.txt`, { maxBytes: MAX_TEXT_BYTES, signal });
  const named = sums
    .split("\n")
    .flatMap((line) => [/^([0-9a-f]{64}) [ *](\S+)\r?$/.exec(line)].filter((found) => found?.[2] === name));
  const expected = named.length === 1 ? named[0]?.[1] : undefined;
  if (expected === undefined)
    throw new RuncodeError("upgrade_failed", `the checksums of version ${version} do not name ${name} once`);
  const file = path.join(dir, name);
  const actual = await downloadFile(`${from}/${name}`, file, { maxBytes: MAX_ARCHIVE_BYTES, signal });
  if (actual !== expected)
    throw new RuncodeError("upgrade_failed", `${name} does not have the checksum that the release names`, {
      hint: `nothing was changed; expected ${expected}, got ${actual}`,
    });
  return file;
}

/**
 * Writes the program of an archive to `file`, which is there and empty. The system's tar reads both kinds of archive (Windows
 * has bsdtar since 2018), and gives that one member on its stdout: no path and no link of an archive is followed.
 */
export async function extractProgram(archive: string, file: string, platform: NodeJS.Platform): Promise<void> {
  const tar = Bun.which("tar");
  if (tar === null) throw new RuncodeError("io", "there is no tar on the PATH", { hint: "install tar and gzip" });
  const gzip = archive.endsWith(".gz") ? "z" : "";
  const handle = await open(file, "w");
  try {
    const member = platform === "win32" ? "runcode.exe" : "runcode";
    const child = Bun.spawn([tar, `-x${gzip}Of`, archive, member], { stdio: ["ignore", handle.fd, "ignore"] });
    if ((await child.exited) !== 0 || (await handle.stat()).size === 0)
      throw new RuncodeError("upgrade_failed", `${path.basename(archive)} holds no ${member} that is a file`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
