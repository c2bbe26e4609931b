// A session: a throwaway key, the gateway that takes it, the pinned host keys, and until when. It is complete, frozen and
// valid, or it does not exist: whoever holds one need not check it again.
import type { Capability } from "../protocol/api.ts";
import type { SshTarget } from "../ssh/target.ts";

export interface Session extends SshTarget {
  readonly workspaceId: number;
  readonly title: string;
  /** `$XDG_CACHE_HOME/runcode/ws-<id>`; with a suffix where another control plane's workspace of that id came first. */
  readonly dir: string;
  readonly identityFile: string;
  readonly certificateFile: string | null;
  readonly knownHostsFile: string;
  readonly webUrl: string | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly mintedAt: number;
  /** Null means all. */
  readonly capabilities: readonly Capability[] | null;
  /** The control plane that gave it; a session of one base is never used for another. */
  readonly apiBase: string;
}

export interface EnsureOptions {
  /** Seconds to ask for. */
  readonly ttl?: number;
  /** Mint although a valid session is cached. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/** The attachment pointer: what `exec`, `put` and the others act on without being told. */
export interface Attachment {
  readonly workspaceId: number;
  readonly title: string;
  readonly apiBase: string;
  /** The directory that attached, for the status line. */
  readonly cwd: string;
  readonly attachedAt: number;
}

export interface Sessions {
  /** The control plane whose sessions these are. */
  readonly apiBase: string;
  /** The cached session, without the network, whether expired or not; null when there is none or it is damaged. */
  cached(workspaceId: number): Promise<Session | null>;
  /**
   * A session with more than SESSION_MARGIN_MS to live: the cached one, else minted under the workspace's lock, so that
   * processes starting at once mint one. A re-mint retires the old master first. Throws what the control plane answered,
   * `unsafe_bundle`, `io`.
   */
  ensure(
    workspaceId: number,
    options?: EnsureOptions,
  ): Promise<{ readonly session: Session; readonly reused: boolean }>;
  /** The folder that holds, or will hold, the active control plane's session of a workspace. */
  dirOf(workspaceId: number): Promise<string>;
  /** Every session in the cache, expired ones and those of other control planes too. */
  all(): Promise<readonly Session[]>;
  /** Ends the master and removes the session's files. Gives whether there was anything. */
  drop(workspaceId: number): Promise<boolean>;

  attach(session: Session, cwd: string): Promise<void>;
  /** The attachment of the active control plane, or null. */
  attachment(): Promise<Attachment | null>;
  /** Removes the attachment pointer (only when it points to `workspaceId`, where one is given). Gives what was there. */
  detach(workspaceId?: number): Promise<Attachment | null>;
}
