// `put` as a whole: what goes where, by the words of the command line alone, and then one file or one archive.
import { realpathSync } from "node:fs";
import path from "node:path";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { SshTarget } from "../target.ts";
import { putLargeFile, LARGE } from "./large-file.ts";
import { putFile } from "./put-file.ts";
import { putTree } from "./put-tree.ts";
import { inside, type RemotePath } from "./remote-path.ts";
import { openFile, streamSource, type OpenFile } from "./source.ts";
import type { Root } from "./walk.ts";

export interface PutPlan {
  readonly to: RemotePath;
  /** One file; undefined is stdin. */
  readonly file?: OpenFile | undefined;
  /** Trees, or several files. */
  readonly roots?: readonly Root[];
  /** Bytes to send, where that is known. */
  readonly total?: number | undefined;
  close(): void;
}

export interface TransferOptions {
  readonly signal: AbortSignal;
  readonly keep: boolean;
  readonly onProgress: (bytes: number, total?: number, files?: number) => void;
  /** Told of what is left out. */
  readonly onSkip: (path: string) => void;
  /** Takes a local path of `get` at the moment in which it is used; gives the one to use, or throws. Without it every path may be used. */
  readonly allow?: (place: string) => string;
}

export interface Transferred {
  readonly files: number;
  readonly bytes: number;
  /** Of the content, where it was one file. */
  readonly sha256?: string;
  /** False where the workspace has no program that computes SHA-256. */
  readonly verified: boolean;
}

/**
 * Takes the local paths and the remote one; opens a file that is to be sent, so that a missing one is known before the network
 * is used. Throws RuncodeError `usage`, `not_found`, `conflict`, `io`.
 */
export function planPut(locals: readonly string[], to: RemotePath, recursive: boolean): PutPlan {
  const [only, ...more] = locals as [string, ...string[]];
  if (more.length > 0) return planSeveral(locals, to, recursive);
  if (only === "-") {
    if (!to.directory) return { to, close: () => {} };
    throw new RuncodeError("usage", "what comes on stdin needs a file name on the workspace");
  }
  const name = ownName(only);
  const place = to.directory && name !== null ? inside(to, name) : to;
  const file = openFile(only);
  if (file) return { to: place, file, total: Number(file.stat.size), close: () => file.close() };
  mustBeRecursive(only, recursive);
  return { to: place, roots: [{ name: Buffer.alloc(0), path: realOf(only) }], close: () => {} };
}

function planSeveral(locals: readonly string[], to: RemotePath, recursive: boolean): PutPlan {
  const roots = locals.map((local) => {
    const name = local === "-" ? null : ownName(local);
    if (name === null)
      throw new RuncodeError("usage", `${local} has no name that it could have beside the others`, {
        hint: "put it by itself",
      });
    const file = openFile(local);
    if (file) file.close();
    else mustBeRecursive(local, recursive);
    return { name: Buffer.from(name), path: realOf(local) };
  });
  mustDiffer(roots.map(({ name }) => name.toString()));
  return { to, roots, close: () => {} };
}

/** Throws RuncodeError `conflict` when two would have the same name. */
export function mustDiffer(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new RuncodeError("conflict", `two of them are called ${twice}; one would overwrite the other`, {
      hint: "nothing was changed; move them one by one",
    });
}

/** Carries out a plan. `stdin` is read where the plan says so. Throws what putFile and putTree throw. */
export async function put(
  target: SshTarget,
  plan: PutPlan,
  stdin: AsyncIterable<Uint8Array | string>,
  { signal, keep, onProgress, onSkip }: TransferOptions,
): Promise<Transferred> {
  if (plan.roots) return putTree(target, plan.roots, plan.to, { signal, keep, onProgress, onSkip });
  const { file, to } = plan;
  const options = {
    ...(file ? { mode: Number(file.stat.mode) & 0o7777, mtimeNs: file.stat.mtimeNs } : {}),
    how: keep ? ("keep" as const) : ("replace" as const),
    signal,
    onProgress: (bytes: number) => onProgress(bytes, plan.total),
  };
  // Without a master every channel is a connection, and two cost more than they save.
  const sent =
    file && file.stat.size >= LARGE && target.controlPath !== null
      ? await putLargeFile(target, file, to, options)
      : await putFile(target, file?.source ?? streamSource(stdin), to, options);
  return { files: 1, ...sent };
}

/** A link that was named is followed now and never again: what has the name when it is read may lead elsewhere. Throws RuncodeError `io`. */
function realOf(local: string): Buffer {
  try {
    return realpathSync.native(local, { encoding: "buffer" });
  } catch (cause) {
    throw ioError(`cannot look at ${local}`, cause);
  }
}

/** The last name of a local path; null for `.`, `..` and a root, whose content is meant. */
function ownName(local: string): string | null {
  const name = path.basename(local);
  return name === "" || name === "." || name === ".." ? null : name;
}

function mustBeRecursive(local: string, recursive: boolean): void {
  if (!recursive) throw new RuncodeError("usage", `${local} is a directory`, { hint: "give -r to put its whole tree" });
}
