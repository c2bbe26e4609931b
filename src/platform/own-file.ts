// A whole file of ours in somebody else's folder: put there, brought up to date, and taken away so that nothing of it stays.
// Its last line says what is needed for that: the hash of what we wrote, so that a file which somebody changed is theirs,
// and how many folders were made for it. What stood there before lies beside it meanwhile.
import { createHash } from "node:crypto";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../protocol/errors.ts";
import { errno, ioError } from "./files.ts";
import { asBytes, backUpOnce, find, fromBytes, rewrite, type Found } from "./rewrite.ts";

const STAMP = /\n<!-- written by runcode: sha256 ([0-9a-f]{64}), folders (\d+) -->\n$/;
const MODE = 0o644;

/** `edited` is one that we wrote and somebody changed since; `foreign` one that we did not write. */
type Owner = "nobody" | "ours" | "edited" | "foreign";

interface Seen {
  readonly found: Found;
  readonly owner: Owner;
  /** What we wrote, without the last line. */
  readonly body: string | null;
  readonly folders: number;
}

export interface Change {
  readonly changed: boolean;
  /** Where a copy of another's file was kept. */
  readonly backup: string | null;
}
/** `force` goes on where the file is not ours; `dry` looks and throws as it would, and changes nothing. */
export interface How {
  readonly force: boolean;
  readonly dry: boolean;
}
const UNCHANGED: Change = { changed: false, backup: null };
const CHANGED: Change = { changed: true, backup: null };

/** Makes `file` hold `body`. Throws RuncodeError `conflict` for a file that is another's or was changed, unless forced; `io`. */
export async function writeOwn(file: string, body: string, { force, dry }: How): Promise<Change> {
  const { found, owner, body: before, folders } = await look(file);
  if (owner === "ours" && before === body) return UNCHANGED;
  const theirs = owner === "edited" || owner === "foreign";
  if (theirs && !force) throw notOurs(file, owner, "replace it and keep a copy beside it");
  if (dry) return CHANGED;
  const backup = theirs ? await setAside(found) : null;
  const made = owner === "nobody" ? await makeFolders(path.dirname(found.real)) : folders;
  try {
    await rewrite(found, asBytes(stamped(body, made)), MODE);
  } catch (error) {
    if (owner === "nobody") await removeFolders(found.real, made);
    throw error;
  }
  return { changed: true, backup };
}

/**
 * Takes ours away and gives back what stood there. Another's file is left alone. Throws RuncodeError `conflict` for one of
 * ours that was changed, unless forced; `io`.
 */
export async function removeOwn(file: string, { force, dry }: How): Promise<Change> {
  const { found, owner, folders } = await look(file);
  if (owner === "nobody" || owner === "foreign") return UNCHANGED;
  if (owner === "edited" && !force) throw notOurs(file, owner, "remove it all the same");
  if (dry) return CHANGED;
  try {
    await rename(asideOf(found), found.real);
    return CHANGED;
  } catch (error) {
    if (errno(error) !== "ENOENT") throw ioError(`cannot restore ${found.real}`, error);
  }
  await rm(found.real, { force: true }).catch((error: unknown) => {
    throw ioError(`cannot remove ${found.real}`, error);
  });
  await removeFolders(found.real, folders);
  return CHANGED;
}

async function look(file: string): Promise<Seen> {
  const found = await find(file);
  if (found.text === null) return { found, owner: "nobody", body: null, folders: 0 };
  const text = fromBytes(found.text);
  const stamp = STAMP.exec(text);
  if (!stamp) return { found, owner: "foreign", body: null, folders: 0 };
  const body = text.slice(0, stamp.index);
  return { found, owner: stamp[1] === hash(body) ? "ours" : "edited", body, folders: Number(stamp[2]) };
}

function stamped(body: string, folders: number): string {
  return `${body}\n<!-- written by runcode: sha256 ${hash(body)}, folders ${folders} -->\n`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function notOurs(file: string, owner: Owner, forced: string): RuncodeError {
  const what = owner === "edited" ? "was changed since runcode wrote it" : "was not written by runcode";
  return new RuncodeError("conflict", `${file} ${what}; nothing was changed`, { hint: `--force to ${forced}` });
}

function asideOf({ real }: Found): string {
  return `${real}.before-runcode`;
}

async function setAside(found: Found): Promise<string> {
  const copy = await backUpOnce(found);
  if (copy !== null) return copy;
  throw new RuncodeError("conflict", `${asideOf(found)} is there already, and a second copy has no place`, {
    hint: "move that file away and try again",
  });
}

/** Makes a directory and its parents; gives how many there were to make. Throws RuncodeError `io`. */
async function makeFolders(dir: string): Promise<number> {
  const first = await mkdir(dir, { recursive: true }).catch((error: unknown) => {
    throw ioError(`cannot create ${dir}`, error);
  });
  return first === undefined ? 0 : path.relative(first, dir).split(path.sep).filter(Boolean).length + 1;
}

/** Removes that many directories above the file, as far as nothing else is in them. */
async function removeFolders(file: string, count: number): Promise<void> {
  let dir = path.dirname(file);
  for (let left = count; left > 0; left--) {
    const gone = await rmdir(dir).then(
      () => true,
      () => false,
    );
    if (!gone) return;
    dir = path.dirname(dir);
  }
}
