// Small tar archives, as the engine's archive API takes and gives them.
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";

/** One entry: a directory, a link, a text, or a file of this machine with its size in bytes. */
export type Entry = { readonly name: string; readonly mode?: number; readonly uid?: number; readonly gid?: number } & (
  | { readonly directory: true }
  | { readonly link: string }
  | { readonly text: string }
  | { readonly file: string; readonly size: number }
);

/** Takes entries in the order in which they are to be made; gives the archive as a stream that fails where a file cannot be read. */
export function archive(entries: readonly Entry[]): Readable {
  const tar = pack();
  void (async () => {
    try {
      for (const entry of entries) await add(tar, entry);
      tar.finalize();
    } catch (error) {
      tar.destroy(error as Error);
    }
  })();
  return tar as unknown as Readable;
}

async function add(tar: ReturnType<typeof pack>, entry: Entry): Promise<void> {
  const { name, mode = 0o755, uid = 0, gid = 0 } = entry;
  const header = { name, mode, uid, gid, mtime: new Date(0) };
  if ("file" in entry) {
    const into = tar.entry({ ...header, size: entry.size });
    return await pipeline(
      createReadStream(entry.file, { highWaterMark: 1024 * 1024 }),
      into as unknown as NodeJS.WritableStream,
    );
  }
  if ("directory" in entry) tar.entry({ ...header, type: "directory" });
  else if ("link" in entry) tar.entry({ ...header, type: "symlink", linkname: entry.link });
  else tar.entry(header, entry.text);
}

/** Takes an archive with one regular file; gives its text, or null when it holds something else or more than `most` bytes. */
export async function onlyFile(tar: Readable, most = 1024 * 1024): Promise<string | null> {
  const unpack = extract();
  let found: string | null = null;
  const taking = (async () => {
    for await (const entry of unpack) {
      if (entry.header.type === "file" && (entry.header.size ?? 0) <= most) found = await text(entry);
      else entry.resume();
    }
  })();
  await Promise.all([pipeline(tar, unpack as unknown as NodeJS.WritableStream), taking]);
  return found;
}

/** Takes an archive of a directory; gives whether nothing is in it. No more is read than it takes to see that. */
export async function holdsNothing(tar: Readable): Promise<boolean> {
  const unpack = extract();
  const reading = pipeline(tar, unpack as unknown as NodeJS.WritableStream);
  // What it fails with comes out of the entries as well; what is left unread is no failure.
  reading.catch(() => {});
  let entries = 0;
  try {
    for await (const entry of unpack) {
      if (++entries > 1) return false;
      entry.resume();
    }
    return true;
  } finally {
    tar.destroy();
    unpack.destroy();
  }
}
