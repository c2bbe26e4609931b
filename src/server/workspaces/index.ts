// The rules: who an account is, what a workspace may do next, and which key opens it. Everything above (HTTP, the SSH
// gateway, the pages) asks here; everything below (store, drivers) is asked from here only. One `Machine` per workspace
// serialises its life; what was acknowledged is in the store before it was acknowledged.
import type { Access } from "./access.ts";
import { createAccounts, type Accounts } from "./accounts.ts";
import type { ControlPlaneDeps } from "./deps.ts";
import { createLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createSessions, type Sessions } from "./sessions.ts";

export type { ControlPlaneDeps, Endpoints } from "./deps.ts";

export interface ControlPlane {
  readonly accounts: Accounts;
  readonly workspaces: Lifecycle;
  readonly sessions: Sessions;
  readonly access: Access;
  /** Throws when store or driver do not answer. */
  ready(): Promise<void>;
}

/** Wires accounts, lifecycle and sessions over a store and drivers. Nothing runs until `workspaces.recover()`. */
export function createControlPlane(deps: ControlPlaneDeps): ControlPlane {
  const accounts = createAccounts(deps.store, deps.clock);
  const workspaces = createLifecycle(deps);
  const { sessions, access } = createSessions({ ...deps, workspaces });
  return {
    accounts,
    workspaces,
    sessions,
    access,
    ready: async () => {
      deps.store.ping();
      await workspaces.probe();
    },
  };
}
