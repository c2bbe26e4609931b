// The typed control-plane client, as the rest of the client sees it.
import type { CreateWorkspaceRequest, WireBundle } from "../protocol/api.ts";
import type { Workspace } from "../protocol/workspace.ts";

export interface Account {
  readonly email: string;
  readonly name: string | null;
  readonly tier: string | null;
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
  start(id: number, signal?: AbortSignal): Promise<void>;
  stop(id: number, signal?: AbortSignal): Promise<void>;
  mint(id: number, request: { publicKey: string; ttl: number }, signal?: AbortSignal): Promise<WireBundle>;
  me(signal?: AbortSignal): Promise<Account>;
}
