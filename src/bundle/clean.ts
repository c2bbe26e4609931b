// Throwing session material away: this program's cache, damaged folders included, and the older place under the
// configuration, which nothing else reads.
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../platform/clock.ts";
import { errno, ioError, withLock } from "../platform/files.ts";
import type { Paths } from "../platform/paths.ts";
import { removeAttachment, readAttachment } from "./attachment.ts";
import { readSession, type CacheOwner } from "./cache.ts";
import { discard } from "./sessions.ts";

export interface CleanDeps extends CacheOwner {
  readonly paths: Paths;
  readonly clock: Clock;
}

export interface Cleaned {
  readonly workspaceId: number;
  readonly path: string;
}

/** Which folders: those of one workspace (by id, or by the title its session has), all but the attached one's, or all. */
export type CleanScope = { readonly workspace: string } | "unattached" | "all";

/** Ends the masters of what it removes. Gives what was removed. Throws `io`. */
export async function cleanSessions(scope: CleanScope, deps: CleanDeps): Promise<readonly Cleaned[]> {
  const { cache, config } = deps.paths;
  const attachment = await readAttachment(cache);
  const removed: Cleaned[] = [];
  for (const { dir, workspaceId, current } of [
    ...(await folders(cache, /^ws-(\d+)(?:-[0-9a-f]{8})?$/, true)),
    ...(await folders(path.join(config, "ws"), /^(\d+)$/, false)),
  ]) {
    const session = current ? await readSession(dir, deps, deps.clock.now()) : null;
    const isAttached =
      session !== null && attachment?.workspaceId === session.workspaceId && attachment.apiBase === session.apiBase;
    const named =
      typeof scope === "object" && (scope.workspace === String(workspaceId) || scope.workspace === session?.title);
    if (!(named || scope === "all" || (scope === "unattached" && !isAttached))) continue;
    await withLock(path.join(cache, "locks", `ws-${workspaceId}`), () => discard(dir, session));
    if (isAttached) await removeAttachment(cache);
    removed.push({ workspaceId, path: dir });
  }
  if (scope === "all") await removeAttachment(cache);
  return removed;
}

async function folders(
  parent: string,
  name: RegExp,
  current: boolean,
): Promise<{ dir: string; workspaceId: number; current: boolean }[]> {
  const names = await readdir(parent).catch((error: unknown) => {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return [];
    throw ioError(`cannot read ${parent}`, error);
  });
  return names
    .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .flatMap((each) => {
      const id = name.exec(each)?.[1];
      return id === undefined ? [] : [{ dir: path.join(parent, each), workspaceId: Number(id), current }];
    });
}
