// What a client holds open. Bounded, so that a client cannot use up the descriptors of the sandbox.
import { closeSync } from "node:fs";
import { Refused, STATUS } from "./status.ts";

export interface OpenFile {
  readonly kind: "file";
  readonly fd: number;
  readonly path: Buffer;
}
export interface OpenDirectory {
  readonly kind: "directory";
  readonly path: Buffer;
  /** What was not handed out yet. */
  readonly names: Buffer[];
}
type Open = OpenFile | OpenDirectory;

export const MAX_HANDLES = 1024;

export class Handles {
  readonly #open = new Map<number, Open>();
  #next = 0;

  /** Whether one more may be opened; asked before anything is. */
  room(): void {
    if (this.#open.size >= MAX_HANDLES) throw new Refused(STATUS.failure, "Too many open files");
  }
  add(open: Open): Buffer {
    const id = this.#next++;
    this.#open.set(id, open);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(id, 0);
    return handle;
  }
  #get(handle: Buffer): Open {
    const open = handle.length === 4 ? this.#open.get(handle.readUInt32BE(0)) : undefined;
    if (open === undefined) throw new Refused(STATUS.failure, "No such handle");
    return open;
  }
  file(handle: Buffer): OpenFile {
    const open = this.#get(handle);
    if (open.kind !== "file") throw new Refused(STATUS.failure, "Not a file's handle");
    return open;
  }
  directory(handle: Buffer): OpenDirectory {
    const open = this.#get(handle);
    if (open.kind !== "directory") throw new Refused(STATUS.failure, "Not a directory's handle");
    return open;
  }
  close(handle: Buffer): void {
    const open = this.#get(handle);
    this.#open.delete(handle.readUInt32BE(0));
    if (open.kind === "file") closeSync(open.fd);
  }
  closeAll(): void {
    for (const open of this.#open.values()) if (open.kind === "file") closeSync(open.fd);
    this.#open.clear();
  }
}
