// Session keys: made for one workspace and a short time, asked about for every connection and every channel.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Capability, SshSessionRequest, WireBundle } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import type { Account } from "../store/accounts.ts";
import type { Session } from "../store/sessions.ts";
import type { Access } from "./access.ts";
import type { ControlPlaneDeps, Endpoints } from "./deps.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { parseSessionKey } from "./public-key.ts";

/** A session for a person to look at; nothing in it opens anything. */
export interface SessionView {
  readonly id: number;
  readonly fingerprint: string;
  readonly client: string;
  readonly capabilities: readonly Capability[];
  readonly createdAt: number;
  readonly expiresAt: number;
  /** The connections that are open now. */
  readonly connections: readonly { readonly from: string; readonly since: number }[];
}

export interface Sessions {
  /**
   * Registers the key and gives the bundle that leads to the workspace with it. Throws `conflict` when the workspace is
   * not running, `forbidden` when another account has registered that key, `bad_request` for a malformed key.
   */
  mint(account: Account, workspaceId: number, request: SshSessionRequest): WireBundle;
  /** Those that have not expired, and those that still have a connection. */
  list(account: Account, workspaceId: number): SessionView[];
  /** Ends a session at once. Throws `not_found`. */
  revoke(account: Account, workspaceId: number, sessionId: number): void;
}

/** Rows of expired sessions are kept this long, so that a page can still say whose connection is open. */
const KEEP_EXPIRED_MS = 24 * 60 * 60 * 1000;

/** The bundle's known_hosts line: the port is part of the pattern unless it is SSH's own (sshd(8)). */
function knownHostsLine({ ssh, hostKey }: Endpoints): string {
  return `${ssh.port === 22 ? ssh.host : `[${ssh.host}]:${ssh.port}`} ${hostKey}`;
}

export function createSessions({
  store,
  clock,
  endpoints,
  workspaces,
}: ControlPlaneDeps & { readonly workspaces: Lifecycle }): { sessions: Sessions; access: Access } {
  const open = new Map<number, Set<{ from: string; since: number }>>();

  const view = (session: Session): SessionView => ({
    id: session.id,
    fingerprint: session.fingerprint,
    client: session.client,
    capabilities: session.capabilities,
    createdAt: session.createdAt,
    expiresAt: session.expiresAt,
    connections: [...(open.get(session.id) ?? [])],
  });
  const same = (a: string, b: string): boolean => {
    const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
    return timingSafeEqual(digest(a), digest(b));
  };

  const sessions: Sessions = {
    mint: (account, workspaceId, request) => {
      const workspace = workspaces.get(account, workspaceId);
      const { blob, fingerprint } = parseSessionKey(request.public_key);
      const sandbox = workspaces.sandbox(workspaceId);
      const now = clock.now();
      const ttl = Math.min(request.ttl, store.settings.get("session_max_ttl"));
      const session = store.transaction(() => {
        store.sessions.prune(now - KEEP_EXPIRED_MS);
        if (store.sessions.byKey(blob).some((other) => other.accountId !== account.id)) {
          throw new RuncodeError("forbidden", "this key is registered by another account");
        }
        return store.sessions.upsert({
          workspaceId,
          accountId: account.id,
          publicKey: blob,
          fingerprint,
          capabilities: store.settings.get("session_capabilities"),
          client: printable(request.client),
          createdAt: now,
          expiresAt: now + ttl * 1000,
        });
      });
      const reach = endpoints();
      return {
        host: reach.ssh.host,
        port: reach.ssh.port,
        user: workspace.title,
        known_hosts: knownHostsLine(reach),
        expires_at: new Date(session.expiresAt).toISOString(),
        workdir: sandbox.workdir,
        web_url: workspace.webUrl,
        capabilities: [...session.capabilities],
      };
    },
    list: (account, workspaceId) => {
      workspaces.get(account, workspaceId);
      return store.sessions
        .ofWorkspace(workspaceId, clock.now() - KEEP_EXPIRED_MS)
        .filter((session) => session.expiresAt > clock.now() || open.has(session.id))
        .map(view);
    },
    revoke: (account, workspaceId, sessionId) => {
      workspaces.get(account, workspaceId);
      const session = store.sessions.get(sessionId);
      if (session?.workspaceId !== workspaceId || !store.sessions.delete(sessionId)) {
        throw new RuncodeError("not_found", `there is no session ${sessionId}`);
      }
    },
  };

  const access: Access = {
    // The key decides what is looked up, and the name is compared with what was found: a name that does not exist costs
    // what one costs that does.
    authenticate: (user, publicKey) => {
      let grant = null;
      for (const session of store.sessions.byKey(publicKey)) {
        if (!same(session.title, user) || session.expiresAt <= clock.now()) continue;
        grant = {
          sessionId: session.id,
          workspaceId: session.workspaceId,
          title: session.title,
          expiresAt: session.expiresAt,
          capabilities: new Set(session.capabilities),
        };
      }
      return grant;
    },
    stands: (grant) => {
      const session = store.sessions.get(grant.sessionId);
      return session !== null && session.workspaceId === grant.workspaceId && session.expiresAt > clock.now();
    },
    sandbox: async (workspaceId) => workspaces.sandbox(workspaceId),
    connected: (grant, from) => {
      const connection = { from, since: clock.now() };
      const set = open.get(grant.sessionId) ?? new Set();
      open.set(grant.sessionId, set.add(connection));
      return () => {
        set.delete(connection);
        if (set.size === 0 && open.get(grant.sessionId) === set) open.delete(grant.sessionId);
      };
    },
  };
  return { sessions, access };
}
