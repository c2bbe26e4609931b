// Paths as bytes: a name that is not UTF-8 goes through unchanged.
import { realpathSync } from "node:fs";
import type { Reader } from "./packet.ts";
import { Refused, STATUS } from "./status.ts";

const SLASH = 0x2f;

/** Reads a path; empty means the current directory (draft §6.2). The copy outlives the packet. */
export function pathOf(packet: Reader): Buffer {
  const path = packet.string();
  if (path.includes(0)) throw new Refused(STATUS.noSuchFile);
  return path.length === 0 ? Buffer.from(".") : Buffer.from(path);
}

/** Gives the absolute path without links or dots; the last part need not exist, since clients ask before they create. */
export function real(path: Buffer): Buffer {
  try {
    return realpathSync(path, { encoding: "buffer" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const trimmed = path.subarray(0, path.findLastIndex((byte) => byte !== SLASH) + 1);
    const cut = trimmed.lastIndexOf(SLASH);
    const last = trimmed.subarray(cut + 1);
    if (last.equals(Buffer.from("..")) || last.equals(Buffer.from("."))) throw error;
    const parent = cut < 0 ? Buffer.from(".") : cut === 0 ? Buffer.from("/") : trimmed.subarray(0, cut);
    const base = realpathSync(parent, { encoding: "buffer" });
    return Buffer.concat([base, ...(base.length === 1 ? [] : [Buffer.from("/")]), last]);
  }
}
