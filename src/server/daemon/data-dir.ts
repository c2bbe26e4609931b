// The server's directory: private, ours alone, and used by one server at a time.
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { ioError, readIfThere, replaceFile, takeLock } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { readHostKey } from "../gateway/host-key.ts";

export interface DataDir {
  readonly root: string;
  readonly database: string;
  readonly hostKey: string;
  readonly log: string;
  /** Who serves from here: see state.ts. */
  readonly state: string;
  readonly lock: string;
  /** Where the drivers keep the workspaces' files. */
  readonly workspaces: string;
}

export function dataDirAt(root: string): DataDir {
  const at = (name: string): string => path.join(root, name);
  return {
    root,
    database: at("runcode.db"),
    hostKey: at("host_ed25519"),
    log: at("server.log"),
    state: at("server.json"),
    lock: at("server.lock"),
    workspaces: at("workspaces"),
  };
}

/**
 * Makes the directory 0700, or checks the one that is there. Throws RuncodeError `io`, and `config_invalid` for a directory that
 * another user owns (who could then read or replace our keys) or that others can read and that holds something else.
 */
export async function prepareDataDir(dir: DataDir): Promise<void> {
  try {
    await mkdir(dir.root, { recursive: true, mode: 0o700 });
    const about = await stat(dir.root);
    if (process.platform === "win32") return;
    if (about.uid !== process.getuid?.()) {
      throw new RuncodeError("config_invalid", `${dir.root} belongs to another user`, {
        hint: "give --data-dir a directory of your own",
      });
    }
    if ((about.mode & 0o077) === 0) return;
    const names = await readdir(dir.root);
    // Who can write here may have left a host key, or a database with an account of their own in it.
    if (names.length > 0 && (about.mode & 0o022) !== 0) {
      throw new RuncodeError("config_invalid", `others can write to ${dir.root}, and it is not empty`, {
        hint: "look at what is in it, then: chmod 700, or give another --data-dir",
      });
    }
    // Taking everybody's rights away is right for our directory and wrong for /tmp or a home.
    if (names.length > 0 && !names.includes(path.basename(dir.database))) {
      throw new RuncodeError("config_invalid", `${dir.root} holds other files and others can read it`, {
        hint: "give --data-dir an empty directory, or one that does not exist yet",
      });
    }
    await chmod(dir.root, 0o700);
  } catch (error) {
    throw ioError(`cannot use ${dir.root}`, error);
  }
}

/** How long a starting server waits for the lock: `--status` takes it for a moment too. */
const LOCK_WAIT_MS = 2_000;

/** Takes the directory for this process until the result is called or it dies. Throws RuncodeError `conflict`. */
export async function claimDataDir(dir: DataDir): Promise<() => void> {
  try {
    return await takeLock(dir.lock, LOCK_WAIT_MS);
  } catch (error) {
    if (error instanceof RuncodeError && error.code === "timeout") {
      throw new RuncodeError("conflict", `another server is using ${dir.root}`, {
        hint: `see \`runcode serve --status --data-dir ${dir.root}\`, or give another --data-dir`,
      });
    }
    throw error;
  }
}

/** Gives the host key in OpenSSH's format, made at the first start; the directory is claimed by then. Throws RuncodeError `io`, `config_invalid`. */
export async function hostKeyOf(dir: DataDir): Promise<string> {
  const kept = await readIfThere(dir.hostKey);
  if (kept !== null) return readHostKey(kept).openssh;
  const { privateKey } = generateKeyPairSync("ed25519");
  const made = readHostKey(privateKey.export({ type: "pkcs8", format: "pem" })).openssh;
  await replaceFile(dir.hostKey, made);
  return made;
}
