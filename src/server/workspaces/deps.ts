// What the rules stand on.
import type { Clock } from "../../platform/clock.ts";
import type { Driver } from "../sandboxes/driver.ts";
import type { Store } from "../store/index.ts";
import type { Flavors } from "./flavors.ts";

/** How the outside reaches this server; known once the listeners are bound. */
export interface Endpoints {
  /** Origin of the pages, without a slash at its end. */
  readonly webBase: string;
  readonly ssh: { readonly host: string; readonly port: number };
  /** The gateway's public host key: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
}

export interface ControlPlaneDeps {
  readonly store: Store;
  /** The first one is the default. */
  readonly drivers: readonly [Driver, ...Driver[]];
  /** For workspaces over containers that were there first. Nobody may choose it for a new one. */
  readonly adopting?: Driver | null;
  /** What a workspace may be made of; the built-in ones where nothing is said. */
  readonly flavors?: Flavors;
  readonly clock: Clock;
  readonly endpoints: () => Endpoints;
  /** One line for the operator's log. */
  readonly log: (line: string) => void;
}
