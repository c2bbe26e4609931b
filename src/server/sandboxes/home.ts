// The files of a workspace on this machine: made once, there through every stop and start, gone without a trace on delete.
import { chmod, lstat, mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";
import { ensurePrivateDir, errno, ioError, removeTree } from "../../platform/files.ts";

/** What a driver that works on this very machine has to be told. */
export interface EmbeddedOptions {
  /** Absolute; everything that drivers keep is below `<dataDir>/workspaces`. */
  readonly dataDir: string;
  /** How this program is started again, for its helpers that run inside: `["/usr/bin/runcode"]` or `[bun, "bin/runcode.ts"]`. */
  readonly self: readonly string[];
}

export interface WorkspaceFiles {
  /** `<dataDir>/workspaces/<id>`, 0700. */
  readonly root: string;
  readonly home: string;
  /** The project directory, in the home. */
  readonly project: string;
}

/** Takes the data directory and a workspace's id; gives its paths, none of them created. Throws `config_invalid` on a name ssh configs cannot carry. */
export function workspaceFiles(dataDir: string, id: number): WorkspaceFiles {
  // A session's workdir travels in the bundle, where only these characters are allowed.
  if (!path.isAbsolute(dataDir) || !/^[A-Za-z0-9._@+/-]+$/.test(dataDir) || dataDir.split("/").includes("..")) {
    throw new RuncodeError(
      "config_invalid",
      `the data directory must be an absolute path made of letters, digits and ._@+/-: ${JSON.stringify(dataDir)}`,
      { hint: "choose another one with --data-dir" },
    );
  }
  if (!Number.isSafeInteger(id) || id < 0)
    throw new RuncodeError("bad_request", `not a workspace id: ${JSON.stringify(id)}`);
  const root = path.join(dataDir, "workspaces", String(id));
  return { root, home: path.join(root, "home"), project: path.join(root, "home", "workspace") };
}

/** Makes home and project directory. Idempotent; throws `create_failed`. */
export async function createFiles(files: WorkspaceFiles): Promise<void> {
  try {
    await ensurePrivateDir(files.root);
    await mkdir(files.home, { mode: 0o700, recursive: true });
    // The home is the workspace's to arrange: a link, a file or nothing may stand where the project directory was, and is
    // neither followed nor replaced.
    await mkdir(files.project, { mode: 0o755 }).catch((error: unknown) => {
      if (errno(error) !== "EEXIST") throw error;
    });
  } catch (error) {
    throw new RuncodeError("create_failed", ioError("cannot make the workspace's directories", error).message, {
      cause: error,
    });
  }
}

/** Removes the workspace's directory, whatever modes the files in it have; follows no symlink. Idempotent; throws `delete_failed`. */
export async function deleteFiles(files: WorkspaceFiles): Promise<void> {
  try {
    await removeTree(files.root).catch(async () => {
      await makeWritable(Buffer.from(files.root));
      await removeTree(files.root);
    });
  } catch (error) {
    throw new RuncodeError("delete_failed", ioError(`cannot remove ${files.root}`, error).message, { cause: error });
  }
}

/** A read-only directory (Go's module cache is full of them) keeps its own entries from being removed. */
async function makeWritable(file: Buffer): Promise<void> {
  // Nothing of the workspace runs any more, so no one swaps the directory for a link between these two lines.
  if (!(await lstat(file)).isDirectory()) return;
  await chmod(file, 0o700);
  // Names as bytes: not every file name is UTF-8. (Bun gives no types along with them.)
  for (const name of await readdir(file, { encoding: "buffer" }))
    await makeWritable(Buffer.concat([file, Buffer.from("/"), name]));
}

/** Whether a directory is there, as the server's own user sees it. */
export async function isDirectory(dir: string): Promise<boolean> {
  return await stat(dir).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}
