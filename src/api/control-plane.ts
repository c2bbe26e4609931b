// The typed control-plane client, as the rest of the client sees it.
import type { CreateWorkspaceRequest, WireBundle } from "../protocol/api.ts";
import type { Workspace } from "../protocol/workspace.ts";

export interface Account {
  readonly email: string;
  readonly name: string | null;
  readonly tier: string | null;
}

/** A bundle as it came, not yet believed, and the server's clock by its Date header (milliseconds), by which `expires_at` is judged. */
export interface Minted {
  readonly bundle: WireBundle;
  readonly serverTime: number | null;
}

export interface StartChoice {
  /** Starts it without the command that it was given, where the control plane knows how. */
  readonly noCommand?: boolean;
}

/** Every call throws RuncodeError by the status table of the protocol page; `network` when nothing answered. */
export interface ControlPlane {
  readonly apiBase: string;
  /** Own and shared ones; one that is both counts once, as owned. */
  list(signal?: AbortSignal): Promise<readonly Workspace[]>;
  get(id: number, signal?: AbortSignal): Promise<Workspace>;
  create(request: CreateWorkspaceRequest, signal?: AbortSignal): Promise<Workspace>;
  delete(id: number, options: { force: boolean }, signal?: AbortSignal): Promise<void>;
  /** Asks for it; does not wait. Throws `start_failed` when the answer says so. */
  start(id: number, signal?: AbortSignal, choice?: StartChoice): Promise<void>;
  stop(id: number, signal?: AbortSignal): Promise<void>;
  mint(id: number, request: { publicKey: string; ttl: number }, signal?: AbortSignal): Promise<Minted>;
  me(signal?: AbortSignal): Promise<Account>;
}
