// Where a session's master listens. A Unix socket's path must fit 104 bytes (macOS; 108 on Linux) with the suffix that ssh
// adds while it binds, whatever the home directory is called, and nobody else may be able to put a socket of theirs there:
// ssh's mux client hands its standard streams to whoever listens.
import { lstat, mkdir } from "node:fs/promises";
import path from "node:path";
import { randomBytes, sha256 } from "../platform/digest.ts";
import { errno, ioError } from "../platform/files.ts";

/** sizeof sun_path on macOS and the BSDs, its NUL included. */
const SUN_PATH = 104;
/** ssh binds `<path>.<16 random characters>` and renames it (mux.c, muxserver_listen). */
const SUFFIX = 17;

/** Takes an absolute path; whether ssh can bind a socket there on every platform. */
export function fitsSocket(file: string): boolean {
  return Buffer.byteLength(file) + SUFFIX < SUN_PATH;
}

export interface ControlPathSource {
  /** The session's own directory, used when its name is short enough. */
  readonly dir: string;
  /** What makes the session unlike every other: its key's fingerprint, host, port, user and control plane. */
  readonly identity: string;
  readonly runtimeDir: string | undefined;
  readonly uid: number;
  /** `/tmp`, unless a test says otherwise. */
  readonly temporary?: string;
}

/**
 * Gives a control path that no other session ever has, in a directory that is ours alone (made when it is missing):
 * the session's own, else below $XDG_RUNTIME_DIR, else below /tmp. Throws RuncodeError `io`.
 */
export async function chooseControlPath(source: ControlPathSource): Promise<string> {
  const name = `m${sha256(source.identity).slice(0, 12)}`;
  const own = path.join(source.dir, name);
  if (fitsSocket(own)) return own;
  const place = sha256(source.dir).slice(0, 12);
  const temporary = path.join(source.temporary ?? "/tmp", `runcode-${source.uid}-${place}`);
  const directories = [
    ...(source.runtimeDir && path.isAbsolute(source.runtimeDir) ? [path.join(source.runtimeDir, "runcode")] : []),
    temporary,
    // Somebody else may sit on the guessable name; this one cannot be guessed, and the session remembers it.
    `${temporary}-${randomBytes(6).toString("hex")}`,
  ].filter((dir) => fitsSocket(path.join(dir, name)));
  let failure: unknown;
  for (const dir of directories) {
    try {
      if (await ownPrivateDir(dir, source.uid)) return path.join(dir, name);
    } catch (error) {
      failure = error;
    }
  }
  throw ioError(
    "cannot make a private directory for ssh's control socket",
    failure ?? new Error("every place is taken"),
  );
}

/** Makes the directory where it is missing; whether it is a real directory, ours, and closed to everybody else. */
export async function ownPrivateDir(dir: string, uid: number): Promise<boolean> {
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    if (errno(error) !== "EEXIST") throw error;
  }
  const found = await lstat(dir);
  return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0;
}
