// `sandbox-give DIR UID GID UID GID`: gives all that is the first user's in a directory to the second one, and what is the first
// group's to the second group; the rest is left as it is. It runs alone in a container, as root of it.
import { lchownSync, lstatSync, readdirSync } from "node:fs";

const SLASH = Buffer.from("/");

/** Takes the directory and four numbers; gives 0, or 1 when something cannot be given, with the reason on stderr. */
export async function main([dir = "", ...ids]: readonly string[]): Promise<number> {
  const [fromUid, fromGid, toUid, toGid] = ids.map(Number) as [number, number, number, number];
  // Names as bytes: not every one is UTF-8. Nothing runs that could put a link in the place of what was looked at.
  const left = [Buffer.from(dir)];
  try {
    for (let file = left.pop(); file; file = left.pop()) {
      const entry = lstatSync(file);
      const [uid, gid] = [entry.uid === fromUid ? toUid : entry.uid, entry.gid === fromGid ? toGid : entry.gid];
      if (uid !== entry.uid || gid !== entry.gid) lchownSync(file, uid, gid);
      if (!entry.isDirectory()) continue;
      for (const name of readdirSync(file, { encoding: "buffer" })) left.push(Buffer.concat([file, SLASH, name]));
    }
    return 0;
  } catch (error) {
    process.stderr.write(`give: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
