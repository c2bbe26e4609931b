// Which starts are not over, kept from one life of the server to the next: an empty file for each, by the value of its mark.
// Nothing is brought to the disk for certain: a server that is killed leaves what it has written to the system, and a machine
// that goes down takes the containers along.
import { readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { errno, ensurePrivateDir, ioError } from "../../platform/files.ts";

export interface Pending {
  /** Those that an earlier life has left. Throws RuncodeError `io`. */
  left(): Promise<string[]>;
  /** Throws RuncodeError `io`. */
  add(start: string): Promise<void>;
  /** Throws RuncodeError `io`. */
  remove(start: string): Promise<void>;
}

/** What `leftovers.ts` makes. */
const START = /^[0-9a-f]{24}$/;

/** Takes a directory, which is made when it is needed. */
export function pendingIn(dir: string): Pending {
  const fileOf = (start: string): string => path.join(dir, start);
  return {
    left: async () => {
      try {
        return (await readdir(dir)).filter((name) => START.test(name));
      } catch (error) {
        if (errno(error) === "ENOENT") return [];
        throw ioError(`cannot read ${dir}`, error);
      }
    },
    add: async (start) => {
      await ensurePrivateDir(dir);
      await writeFile(fileOf(start), "", { flag: "wx", mode: 0o600 }).catch((error: unknown) => {
        throw ioError(`cannot write ${fileOf(start)}`, error);
      });
    },
    remove: async (start) => {
      await rm(fileOf(start), { force: true }).catch((error: unknown) => {
        throw ioError(`cannot remove ${fileOf(start)}`, error);
      });
    },
  };
}
