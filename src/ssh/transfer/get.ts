// `get` as a whole: what goes where, by the words of the command line alone, and then each in its turn.
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";
import type { SshTarget } from "../target.ts";
import { getFile } from "./get-file.ts";
import { getTree } from "./get-tree.ts";
import { createFile, placeFile, type LocalFile } from "./local-file.ts";
import { mustDiffer, type TransferOptions, type Transferred } from "./put.ts";
import type { RemotePath } from "./remote-path.ts";

export interface GetStep {
  readonly from: RemotePath;
  /** Where it should be here. */
  readonly place: string;
}

/**
 * Takes the remote paths and where to, undefined for here. Looks at the overwrite rules as far as they are known without the network. Throws
 * RuncodeError `usage`, `conflict`; nothing has been made then.
 */
export function planGet(
  remotes: readonly RemotePath[],
  out: string | undefined,
  { recursive, keep }: { readonly recursive: boolean; readonly keep: boolean },
): readonly GetStep[] {
  const directory = out === undefined || remotes.length > 1 || /(?:^|[/\\])\.{0,2}$/.test(out);
  const steps = remotes.map((from) => {
    if (from.name === null && remotes.length > 1)
      throw new RuncodeError("usage", `${from.shown} has no name that it could have beside the others`, {
        hint: "get it by itself",
      });
    return { from, place: directory && from.name !== null ? path.join(out ?? ".", from.name) : (out ?? ".") };
  });
  mustDiffer(steps.map(({ place }) => path.resolve(place)));
  if (!recursive) for (const { from, place } of steps) if (!from.directory) placeFile(place, { keep });
  return steps;
}

export interface GetOptions extends TransferOptions {
  /** This program's cache: see local-part.ts. */
  readonly cache: string;
}

/** Carries out one step. Throws RuncodeError `usage` for a directory without -r, and what getFile and getTree throw. */
export async function get(
  target: SshTarget,
  { from, place }: GetStep,
  recursive: boolean,
  options: GetOptions,
): Promise<Transferred> {
  if (recursive) {
    const tree = await getTree(target, from, place, options);
    if (tree) return tree;
  }
  const { signal, keep, onProgress, cache, allow = (file) => file } = options;
  let file: LocalFile | undefined;
  try {
    const sink = {
      isFile: true,
      open: async (_: unknown, key: string) => {
        file = await createFile(() => placeFile(allow(place), { keep }), key, cache);
        return file.fd;
      },
      write: (chunk: Uint8Array) => file?.write(chunk),
    };
    const got = await getFile(target, from, sink, { signal, onProgress });
    if (!got) throw notRecursive(from);
    file?.commit(got);
    return { files: 1, bytes: got.bytes, sha256: got.sha256, verified: got.verified };
  } finally {
    file?.close();
  }
}

/** Streams one file's content to whoever takes it. What was given is only known to be right when this returns. Throws what `get` throws. */
export async function getStream(
  target: SshTarget,
  from: RemotePath,
  write: (chunk: Uint8Array) => Promise<void>,
  { signal, onProgress }: Pick<TransferOptions, "signal" | "onProgress">,
): Promise<Transferred> {
  const got = await getFile(target, from, { open: () => {}, write }, { signal, onProgress });
  if (!got) throw notRecursive(from);
  return { files: 1, ...got };
}

function notRecursive(from: RemotePath): RuncodeError {
  return new RuncodeError("usage", `${from.shown} is a directory`, { hint: "give -r to get its whole tree" });
}
