// What a server remembers of a workspace's home, beside the workspace's other files: that it was made, where, and whose its files
// are. Without it, a home that is gone would look like one that is still to be made.
import path from "node:path";
import { ensurePrivateDir, readIfThere, replaceFile } from "../../../platform/files.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { workspaceFiles } from "../home.ts";

/** Whose files are, as the processes in the container see it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface HomeRecord {
  readonly volume: string;
  /** The URL of the engine that it was made on. */
  readonly engine: string;
  /** Null until the first start. */
  readonly owner: Owner | null;
}

/** Gives the file that a workspace's record is in; whoever removes it lets the workspace begin anew. */
export function recordFile(dataDir: string, workspace: number): string {
  return path.join(workspaceFiles(dataDir, workspace).root, "engine-home.json");
}

/** Gives what is remembered, null where no home was made. Throws RuncodeError `io`, and `config_invalid` for what is no record. */
export async function readRecord(dataDir: string, workspace: number): Promise<HomeRecord | null> {
  const file = recordFile(dataDir, workspace);
  const text = await readIfThere(file);
  if (text === null) return null;
  try {
    return JSON.parse(text) as HomeRecord;
  } catch {
    throw new RuncodeError("config_invalid", `${file} is damaged`, {
      hint: "bring it back from a backup; without it the workspace takes the home that is there, or begins anew",
    });
  }
}

/** Throws RuncodeError `io`. */
export async function writeRecord(dataDir: string, workspace: number, record: HomeRecord): Promise<void> {
  const file = recordFile(dataDir, workspace);
  await ensurePrivateDir(path.dirname(file));
  await replaceFile(file, `${JSON.stringify(record)}\n`);
}
