// "The attached workspace, or --workspace NAME": what every command that acts on a workspace starts with.
import type { ControlPlane } from "../api/control-plane.ts";
import { systemClock, type Clock } from "../platform/clock.ts";
import { SESSION_MARGIN_MS } from "../protocol/constants.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { Workspace } from "../protocol/workspace.ts";
import { masterAlive, openMaster } from "../ssh/master.ts";
import { resolveWorkspace } from "./resolve.ts";
import type { Attachment, EnsureOptions, Session, Sessions } from "./session.ts";

/** A command's context is one of these. */
export interface TargetDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  api(): Promise<ControlPlane>;
  sessions(): Promise<Sessions>;
}

/**
 * Takes a name, or undefined for the attached workspace; gives its session, valid for a while yet. A session in the cache whose id or
 * very title was given is used without the network. Throws RuncodeError `not_attached`, `not_found`, `ambiguous`, `conflict` (SSH cannot
 * reach that workspace), and what minting throws.
 */
export async function targetSession(deps: TargetDeps, name?: string, options: EnsureOptions = {}): Promise<Session> {
  const sessions = await deps.sessions();
  const id = name === undefined ? (await attached(sessions)).workspaceId : await targetId(deps, sessions, name);
  return (await sessions.ensure(id, { signal: deps.signal, ...options })).session;
}

async function targetId(deps: TargetDeps, sessions: Sessions, name: string): Promise<number> {
  const live = (await sessions.all()).filter(
    ({ apiBase, expiresAt }) => apiBase === sessions.apiBase && expiresAt - deps.clock.now() > SESSION_MARGIN_MS,
  );
  const byId = live.find(({ workspaceId }) => String(workspaceId) === name);
  const byTitle = live.filter(({ title }) => title === name);
  if (byId) return byId.workspaceId;
  return byTitle.length === 1 && byTitle[0]
    ? byTitle[0].workspaceId
    : mustBeConnectable(await targetWorkspace(deps, name)).id;
}

/**
 * Takes a name, or undefined for the attached workspace; gives its session where its connection is open now. Asks neither the
 * network nor anybody else: null is all that it says of what is in the way. Throws `io`.
 */
export async function openSession(
  { sessions: load }: Pick<TargetDeps, "sessions">,
  name?: string,
): Promise<Session | null> {
  const sessions = await load();
  const id = name === undefined ? (await sessions.attachment())?.workspaceId : undefined;
  const found = (await sessions.all()).filter(
    (each) =>
      each.apiBase === sessions.apiBase &&
      (name === undefined ? each.workspaceId === id : each.title === name || String(each.workspaceId) === name),
  );
  const [session] = found;
  return session && found.length === 1 && (await masterAlive(session)) ? session : null;
}

/** As `targetSession`, with its master open: the session is known to be good when this returns. Throws what `openMaster` throws as well. */
export async function readyTarget(deps: TargetDeps, name?: string): Promise<Session> {
  return readySession(await deps.sessions(), await targetSession(deps, name), deps.signal);
}

/** A session made less than this ago names the gateway of now; asking again would give the same. In milliseconds. */
const FRESH_MS = 10_000;

/**
 * Takes a session; gives it, or its successor, with an open master. A key that the gateway refuses, and an address where
 * nobody answers, are asked for anew once: the gateway may have forgotten the one or left the other, which nobody here can
 * know. Throws what `openMaster` and minting throw.
 */
export async function readySession(sessions: Sessions, session: Session, signal?: AbortSignal): Promise<Session> {
  const withSignal = signal ? { signal } : {};
  try {
    await openMaster(session, withSignal);
    return session;
  } catch (error) {
    if (!(error instanceof RuncodeError)) throw error;
    const moved = error.code === "network" && systemClock.now() - session.mintedAt > FRESH_MS;
    if (error.code !== "unauthorized" && !moved) throw error;
    const fresh = await successor(sessions, session, withSignal).catch((cause: unknown) => {
      // With the control plane out of reach as well, what failed first is what there is to tell.
      throw moved ? error : cause;
    });
    if (moved && fresh.host === session.host && fresh.port === session.port) throw error;
    await openMaster(fresh, withSignal);
    return fresh;
  }
}

/** A session other than this one: somebody else's fresh one where there is one, else our own. Throws what minting throws. */
export async function successor(
  sessions: Sessions,
  session: Session,
  withSignal: { signal?: AbortSignal },
): Promise<Session> {
  const current = await sessions.cached(session.workspaceId);
  const replaced = current !== null && current.mintedAt > session.mintedAt;
  return (await sessions.ensure(session.workspaceId, { force: !replaced, ...withSignal })).session;
}

/** The workspace of that name, from the control plane. Throws `not_found`, `ambiguous`, and what the call throws. */
export async function targetWorkspace(deps: TargetDeps, name: string): Promise<Workspace> {
  return resolveWorkspace(await (await deps.api()).list(deps.signal), name);
}

/** Gives the workspace, or throws `conflict` when SSH does not reach it. */
export function mustBeConnectable(workspace: Workspace): Workspace {
  if (workspace.connectable) return workspace;
  throw new RuncodeError("conflict", `SSH does not reach the workspace ${workspace.title}`, {
    hint: `runcode open ${workspace.title} shows it in the browser`,
  });
}

/** The attachment, or RuncodeError `not_attached`. */
export async function attached(sessions: Sessions): Promise<Attachment> {
  const attachment = await sessions.attachment();
  if (attachment) return attachment;
  throw new RuncodeError("not_attached", "no workspace is attached", { hint: "run: runcode connect <workspace>" });
}
