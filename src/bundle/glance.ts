// A look at what is attached, for the status line: the network, the keychain and the settings stay out of it, and nothing
// that is read here opens anything.
import { readdir, readFile, realpath } from "node:fs/promises";
import path from "node:path";
import { TITLE } from "../protocol/constants.ts";
import { readAttachment } from "./attachment.ts";

export interface Glance {
  readonly workspaceId: number;
  readonly title: string;
  /** When the session's key ends, in milliseconds since the epoch; null where there is no session. */
  readonly expiresAt: number | null;
}

/** Takes the cache and a directory; gives the attachment when that directory, or one above it, made it. Throws what reading throws. */
export async function glance(cacheDir: string, cwd: string): Promise<Glance | null> {
  const attachment = await readAttachment(cacheDir);
  if (!attachment || !(await isWithin(cwd, attachment.cwd))) return null;
  const { workspaceId, title, apiBase } = attachment;
  return { workspaceId, title, expiresAt: await expiry(cacheDir, workspaceId, apiBase) };
}

async function isWithin(inner: string, outer: string): Promise<boolean> {
  const below = (a: string, b: string): boolean => {
    const way = path.relative(b, a);
    return way === "" || (way !== ".." && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
  };
  if (below(inner, outer)) return true;
  const [a, b] = await Promise.all([inner, outer].map((dir) => realpath(dir)));
  return below(a as string, b as string);
}

async function expiry(cacheDir: string, workspaceId: number, apiBase: string): Promise<number | null> {
  const folders = (await readdir(cacheDir)).filter((name) => new RegExp(`^ws-${workspaceId}(?!\\d)`).test(name));
  for (const folder of folders) {
    try {
      const meta = JSON.parse(await readFile(path.join(cacheDir, folder, "meta.json"), "utf8")) as Record<
        string,
        unknown
      >;
      if (meta["workspaceId"] === workspaceId && meta["apiBase"] === apiBase && typeof meta["expiresAt"] === "number")
        return meta["expiresAt"];
    } catch {
      // Another folder may still be the one; without any there is just no time to show.
    }
  }
  return null;
}

/** The titles of the workspaces that have a session here, for completion: no network, and nothing but names a shell takes as they are. */
export async function knownTitles(cacheDir: string): Promise<readonly string[]> {
  const folders = (await readdir(cacheDir).catch(() => [])).filter((name) => /^ws-\d/.test(name));
  const titles = await Promise.all(
    folders.map(async (folder) => {
      try {
        const meta = JSON.parse(await readFile(path.join(cacheDir, folder, "meta.json"), "utf8")) as {
          title?: unknown;
        };
        return typeof meta.title === "string" && TITLE.test(meta.title) ? meta.title : null;
      } catch {
        return null;
      }
    }),
  );
  return [...new Set(titles.filter((title) => title !== null))].sort();
}
