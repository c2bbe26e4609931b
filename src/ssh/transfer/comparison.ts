// The hashes of a tree's files, as they were computed here and there. They come in two orders, so what is compared is how
// often each occurs; a name on the other side only serves to say which file it was.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";

export class Comparison {
  /** hash → how often it was seen here more than there; what agrees is forgotten. */
  readonly #open = new Map<string, number>();
  readonly #names = new Map<string, string>();

  ours(sha256: string): void {
    this.#count(sha256, 1);
  }

  theirs(sha256: string, name: string): void {
    if (this.#count(sha256, -1) < 0) this.#names.set(sha256, name);
  }

  /** Throws RuncodeError `io` unless each was seen here as often as there. */
  mustAgree(what: string): void {
    if (this.#open.size === 0) return;
    const names = [...this.#open.keys()].flatMap((hash) => this.#names.get(hash) ?? []).map(printable);
    const shown = names.slice(0, 3).join(", ");
    throw new RuncodeError("io", `${what}: what arrived is not what the workspace has${shown && `: ${shown}`}`, {
      hint: "nothing was changed here; somebody writes to it, or it was damaged on the way; try again",
    });
  }

  #count(sha256: string, by: number): number {
    const now = (this.#open.get(sha256) ?? 0) + by;
    if (now === 0) {
      this.#open.delete(sha256);
      this.#names.delete(sha256);
    } else this.#open.set(sha256, now);
    return now;
  }
}
