// A session's files on disk. A reader gets a whole session or none: the files are staged beside their place, renamed into it with
// meta.json last, and meta.json holds the digest of each, so that a mixture of two sessions, a damaged file and a tampered one
// all read as "there is none".
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { chmod, lstat } from "node:fs/promises";
import path from "node:path";
import { randomBytes, sha256 } from "../platform/digest.ts";
import { ensurePrivateDir, errno, ioError } from "../platform/files.ts";
import { CAPABILITIES } from "../protocol/constants.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { ownPrivateDir } from "../ssh/control-path.ts";
import { sshAlias } from "../ssh/config.ts";
import type { Session } from "./session.ts";

/** In the order in which they are renamed into place. */
const FILES = ["id_ed25519", "id_ed25519.pub", "id_ed25519-cert.pub", "known_hosts", "config"] as const;
export type SessionFile = (typeof FILES)[number];
const META = "meta.json";
const STAGING = ".new-";
const VERSION = 1;
/** A session from the future by more than this was written under another clock. In milliseconds. */
const CLOCK_SLACK_MS = 60_000;

/** What meta.json holds besides the digests: a Session without what follows from its folder. */
export type SessionFacts = Omit<
  Session,
  "dir" | "config" | "alias" | "identityFile" | "certificateFile" | "knownHostsFile"
>;

export interface CacheOwner {
  readonly platform: NodeJS.Platform;
  /** Null on Windows, where access lists and not modes say who may read. */
  readonly uid: number | null;
}

/** Takes a session's folder; gives the whole session, or null when there is none, or anything about it is not as it was written. */
export async function readSession(dir: string, owner: CacheOwner, now: number): Promise<Session | null> {
  // A writer renames its files within a millisecond or so; a mixture that is seen in between is soon whole.
  for (let attempt = 0; ; attempt++) {
    const found = await readOnce(dir, owner, now);
    if (found !== "mixed") return found;
    if (attempt === 3) return null;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function readOnce(dir: string, owner: CacheOwner, now: number): Promise<Session | "mixed" | null> {
  try {
    // Each call at once: a dozen turns through the pool of threads take longer than all that is read.
    if (!isPrivate(dir, "directory", owner)) return null;
    const meta = parseMeta(privateText(path.join(dir, META), owner));
    if (!meta || meta.facts.mintedAt > now + CLOCK_SLACK_MS) return null;
    const whole = Object.entries(meta.digests).every(
      ([name, digest]) => sha256(privateText(path.join(dir, name), owner)) === digest,
    );
    if (!whole) return "mixed";
    const { controlPath } = meta.facts;
    if (controlPath !== null && path.dirname(controlPath) !== dir) {
      // /tmp may have been cleaned and somebody else may have been quicker to make the folder again.
      if (owner.uid === null || !(await ownPrivateDir(path.dirname(controlPath), owner.uid))) return null;
    }
    return Object.freeze({
      ...meta.facts,
      dir,
      alias: sshAlias(meta.facts.user),
      config: path.join(dir, "config"),
      identityFile: path.join(dir, "id_ed25519"),
      certificateFile: "id_ed25519-cert.pub" in meta.digests ? path.join(dir, "id_ed25519-cert.pub") : null,
      knownHostsFile: path.join(dir, "known_hosts"),
    });
  } catch (error) {
    if (error instanceof NotPrivate || errno(error) !== undefined)
      return errno(error) === "ENOENT" && exists(path.join(dir, META)) ? "mixed" : null;
    throw error;
  }
}

/**
 * Writes a session, all of it or nothing: a full disk leaves the one that was there. The caller holds the workspace's lock.
 * Throws RuncodeError `io`.
 */
export async function writeSession(
  dir: string,
  facts: SessionFacts,
  files: Readonly<Partial<Record<SessionFile, string>>>,
  owner: CacheOwner,
): Promise<void> {
  await prepareDir(dir, owner);
  const staging = path.join(dir, `${STAGING}${randomBytes(6).toString("hex")}`);
  try {
    // A writer that was killed left its key behind; we hold the lock, so no other writer is at work.
    for (const name of readdirSync(dir))
      if (name.startsWith(STAGING)) rmSync(path.join(dir, name), { recursive: true, force: true });
    mkdirSync(staging, { mode: 0o700 });
    const present = FILES.filter((name) => files[name] !== undefined);
    const digests = Object.fromEntries(present.map((name) => [name, sha256(files[name] as string)]));
    const meta = `${JSON.stringify({ version: VERSION, ...facts, digests }, null, 2)}\n`;
    for (const [name, text] of [
      ...present.map((name) => [name, files[name] as string] as const),
      [META, meta] as const,
    ])
      // Not forced to the disk: what a power cut makes of it reads as no session, by the digests, and another one is minted.
      writeFileSync(path.join(staging, name), text, { mode: 0o600, flag: "wx" });
    for (const name of [...present, META]) renameSync(path.join(staging, name), path.join(dir, name));
    if (files["id_ed25519-cert.pub"] === undefined) rmSync(path.join(dir, "id_ed25519-cert.pub"), { force: true });
  } catch (error) {
    throw ioError(`cannot write the session in ${dir}`, error);
  } finally {
    removeStaging(staging);
  }
}

function removeStaging(staging: string): void {
  try {
    rmSync(staging, { recursive: true, force: true });
  } catch {
    // The next writer removes it.
  }
}

/** Makes the folder ours alone. One that is a link or somebody else's is not mended but refused: RuncodeError `io`. */
async function prepareDir(dir: string, owner: CacheOwner): Promise<void> {
  await ensurePrivateDir(dir);
  if (owner.uid === null) return;
  try {
    const found = await lstat(dir);
    if (!found.isDirectory() || found.uid !== owner.uid)
      throw new RuncodeError("io", `${dir} is not a directory of yours`, { hint: "remove it and try again" });
    if ((found.mode & 0o077) !== 0) await chmod(dir, 0o700);
  } catch (error) {
    throw ioError(`cannot use ${dir}`, error);
  }
}

/** Which control plane the folder's session is of, as its meta.json says; null where that cannot be told. */
export function baseOf(dir: string): string | null {
  try {
    const meta = JSON.parse(readFileSync(path.join(dir, META), "utf8")) as { apiBase?: unknown } | null;
    return typeof meta?.apiBase === "string" ? meta.apiBase : null;
  } catch {
    return null;
  }
}

class NotPrivate extends Error {}

function privateText(file: string, owner: CacheOwner): string {
  if (!isPrivate(file, "file", owner)) throw new NotPrivate(file);
  return readFileSync(file, "utf8");
}

/** Ours, no link, and closed to everybody else. */
function isPrivate(file: string, kind: "file" | "directory", { uid }: CacheOwner): boolean {
  const found = lstatSync(file);
  if (kind === "file" ? !found.isFile() : !found.isDirectory()) return false;
  return uid === null || (found.uid === uid && (found.mode & 0o077) === 0);
}

export function exists(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch {
    return false;
  }
}

/** Read on the hot path of every command, hence by hand: a schema library costs more to load than all the rest of this. */
function parseMeta(text: string): { facts: SessionFacts; digests: Record<string, string> } | null {
  let meta: Record<string, unknown>;
  try {
    meta = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof meta !== "object" || meta === null || meta["version"] !== VERSION) return null;
  const text_ = (name: string): boolean => typeof meta[name] === "string";
  const whole = (name: string): boolean => Number.isSafeInteger(meta[name]);
  const textOrNull = (name: string): boolean => meta[name] === null || text_(name);
  const { capabilities, digests } = meta;
  const ok =
    ["title", "host", "user", "workdir", "apiBase"].every(text_) &&
    ["workspaceId", "port", "expiresAt", "mintedAt"].every(whole) &&
    ["webUrl", "controlPath"].every(textOrNull) &&
    (capabilities === null ||
      (Array.isArray(capabilities) &&
        capabilities.every((name) => (CAPABILITIES as readonly unknown[]).includes(name)))) &&
    typeof digests === "object" &&
    digests !== null &&
    (["id_ed25519", "id_ed25519.pub", "known_hosts", "config"] as const).every(
      (name) => typeof (digests as Record<string, unknown>)[name] === "string",
    ) &&
    Object.keys(digests).every((name) => (FILES as readonly string[]).includes(name));
  if (!ok) return null;
  const { version: _, digests: __, ...facts } = meta;
  return { facts: facts as unknown as SessionFacts, digests: digests as Record<string, string> };
}
