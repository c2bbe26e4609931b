// The sessions of one control plane: found in the cache or minted, one writer per workspace at a time.
import { readdir } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "../platform/digest.ts";
import type { ControlPlane } from "../api/control-plane.ts";
import type { Clock } from "../platform/clock.ts";
import { errno, ioError, removeTree, withLock } from "../platform/files.ts";
import { SESSION_MARGIN_MS, SESSION_TTL_SECONDS } from "../protocol/constants.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { closeMaster, notesForwards, openMaster, retireMaster } from "../ssh/master.ts";
import { readAttachment, removeAttachment, writeAttachment } from "./attachment.ts";
import { baseOf, exists, readSession, type CacheOwner } from "./cache.ts";
import type { EnsureOptions, Session, Sessions } from "./session.ts";

export interface SessionsDeps extends CacheOwner {
  /** `$XDG_CACHE_HOME/runcode` */
  readonly cacheDir: string;
  readonly runtimeDir: string | undefined;
  readonly apiBase: string;
  readonly clock: Clock;
  /** Asked only when something has to be minted. */
  api(): Promise<ControlPlane>;
}

const DIRECTORY = /^ws-\d+(?:-[0-9a-f]{8})?$/;

/** Gives the sessions of one control plane. Reads and writes nothing yet. */
export function cachedSessions(deps: SessionsDeps): Sessions {
  const { cacheDir, apiBase, clock } = deps;

  const dirOf = (id: number): string => {
    const plain = path.join(cacheDir, `ws-${id}`);
    const suffixed = secondDir(plain, apiBase);
    // Two control planes count from 1 each. Whoever came first has the plain name; the other keeps its own from then on.
    const base = baseOf(plain);
    return (base !== null && base !== apiBase) || exists(suffixed) ? suffixed : plain;
  };
  const read = async (id: number): Promise<Session | null> => {
    const session = await readSession(dirOf(id), deps, clock.now());
    return session && session.apiBase === apiBase && session.workspaceId === id ? session : null;
  };
  const usable = (session: Session | null): session is Session =>
    session !== null && session.expiresAt - clock.now() > SESSION_MARGIN_MS;
  const locked = <T>(id: number, work: () => Promise<T>): Promise<T> =>
    withLock(path.join(cacheDir, "locks", `ws-${id}`), work);

  const sessions: Sessions = {
    apiBase,
    cached: read,
    dirOf: async (id) => dirOf(id),
    async ensure(id, options: EnsureOptions = {}) {
      if (options.force !== true) {
        const session = await read(id);
        if (usable(session)) return { session, reused: true };
      }
      return locked(id, async () => {
        const old = await read(id);
        // Whoever held the lock before may have minted what is wanted.
        if (options.force !== true && usable(old)) return { session: old, reused: true };
        const { mintSession } = await import("./mint.ts");
        const session = await mintSession(
          { ...deps, dir: dirOf(id), workspaceId: id, api: await deps.api() },
          {
            ttl: options.ttl ?? SESSION_TTL_SECONDS,
            ...(options.signal ? { signal: options.signal } : {}),
            beforeWrite: async () => {
              if (old) await retireMaster(old);
            },
          },
        ).catch(async (error: unknown) => {
          // A workspace that is gone must not be found by its name in the cache again.
          if (error instanceof RuncodeError && error.code === "not_found" && old) await discard(old.dir, old);
          throw error;
        });
        // Forwards live on the master, and somebody relies on them: they are not to wait for the next command.
        if (await notesForwards(session))
          await openMaster(session, options.signal ? { signal: options.signal } : {}).catch(() => {});
        return { session, reused: false };
      });
    },
    async all() {
      const names = await readdir(cacheDir).catch((error: unknown) => {
        if (errno(error) === "ENOENT") return [];
        throw ioError(`cannot read ${cacheDir}`, error);
      });
      const found = await Promise.all(
        names
          .filter((name) => DIRECTORY.test(name))
          .map((name) => readSession(path.join(cacheDir, name), deps, clock.now())),
      );
      return found.filter((session) => session !== null).sort((a, b) => a.workspaceId - b.workspaceId);
    },
    async drop(id) {
      const dir = dirOf(id);
      if (!exists(dir)) return false;
      return locked(id, async () => discard(dir, await read(id)));
    },
    attach: (session, cwd) =>
      writeAttachment(cacheDir, {
        workspaceId: session.workspaceId,
        title: session.title,
        apiBase,
        cwd,
        attachedAt: clock.now(),
      }),
    async attachment() {
      const found = await readAttachment(cacheDir);
      return found?.apiBase === apiBase ? found : null;
    },
    async detach(id) {
      const found = await sessions.attachment();
      if (!found || (id !== undefined && found.workspaceId !== id)) return null;
      await removeAttachment(cacheDir);
      return found;
    },
  };
  return sessions;
}

/** The folder of a session whose plain folder is another control plane's. Once it exists it stays that session's. */
export function secondDir(plain: string, apiBase: string): string {
  return `${plain}-${sha256(apiBase).slice(0, 8)}`;
}

/** Ends what runs over a session's master and removes its folder; gives whether there was one. Throws `io`. */
export async function discard(dir: string, session: Session | null): Promise<boolean> {
  if (session) await closeMaster(session);
  const there = exists(dir);
  await removeTree(dir);
  return there;
}
