// What the gateway and the web terminal are allowed to see of workspaces: who a key is, and the sandbox it opens.
import type { Capability } from "../../protocol/api.ts";
import type { Sandbox } from "../sandboxes/driver.ts";

/** What one key may do, decided when the connection authenticates and asked again for every channel. */
export interface Grant {
  readonly sessionId: number;
  readonly workspaceId: number;
  readonly title: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly capabilities: ReadonlySet<Capability>;
}

export interface Access {
  /**
   * Takes the SSH user name and the public key blob (RFC 4253 §6.6) that signs; gives the grant, or null for every kind
   * of no. Costs the same for a name that exists and one that does not.
   */
  authenticate(user: string, publicKey: Buffer): Grant | null;
  /** Whether the grant still stands: not expired, not revoked, the workspace not deleted. */
  stands(grant: Grant): boolean;
  /** The workspace's running sandbox; throws RuncodeError `conflict` when it is not running, `not_found` when it is gone. */
  sandbox(workspaceId: number): Promise<Sandbox>;
  /** Tells of connections, so that idle times and a workspace's page can know of them; call the result when it closes. */
  connected(grant: Grant, from: string): () => void;
}
