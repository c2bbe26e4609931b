// What the routes are given.
import type { Hono } from "hono";
import type { Clock } from "../../platform/clock.ts";
import type { Account } from "../workspaces/accounts.ts";
import type { ControlPlane } from "../workspaces/index.ts";
import type { Throttle } from "./throttle.ts";
import type { SocketEvents, Sockets } from "./websocket.ts";

/** Which `Host` headers are answered. Null: all, where the listener is reachable by names that we cannot know. */
export type HostPolicy = { readonly names: ReadonlySet<string> } | null;

export interface AppDeps {
  readonly plane: ControlPlane;
  readonly clock: Clock;
  readonly hosts: HostPolicy;
  /** Whether browsers reach the pages over https: then cookies are `Secure`. */
  readonly secure: boolean;
  /** Tells this server from others on the same host; part of the cookie's name. */
  readonly instance: string;
  /** The listener's WebSockets. */
  readonly sockets: Sockets;
  /** Throws when a part of the server does not answer. */
  readonly ready: () => Promise<void>;
  /** One line for the operator's log. */
  readonly log: (line: string) => void;
}

export interface RouteDeps extends AppDeps {
  readonly throttle: Throttle;
}

export interface AppEnv {
  Bindings: {
    /** The peer's address; the listener fills it in. */
    readonly remote?: string;
    /** Bun's server, which a WebSocket upgrade needs. */
    readonly server?: Bun.Server<SocketEvents>;
  };
  Variables: { account: Account };
}

export type App = Hono<AppEnv>;
