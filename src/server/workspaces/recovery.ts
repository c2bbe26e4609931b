// What a server does at its start about what its former life left: the drivers clear up after workspaces that are none any more,
// and every other one is brought to where it should be.
import type { WorkspaceRow } from "../store/workspaces.ts";
import type { ControlPlaneDeps } from "./deps.ts";
import type { Machine } from "./machine.ts";

export interface Recovery {
  /**
   * Once, after the server's start: has the drivers clear up after workspaces that are none any more. Gives what they leave, in
   * lines for the operator. Never rejects.
   */
  reconcile(): Promise<readonly string[]>;
  /** Once, after the server's start, and after `reconcile`: see Machine. Resolves when every workspace is where it should be. */
  recover(): Promise<void>;
}

export interface RecoveryDeps extends Pick<ControlPlaneDeps, "store" | "drivers" | "log"> {
  readonly machineOf: (row: WorkspaceRow) => Machine;
  /** Carries a deletion to its end. */
  readonly remove: (row: WorkspaceRow, machine: Machine) => Promise<void>;
  /** Whether a workspace is being made, in this life of the server. */
  readonly isMaking: (id: number) => boolean;
  readonly isClosing: () => boolean;
}

/** How many workspaces are brought back at once. */
const AT_ONCE = 8;

export function createRecovery({
  store,
  drivers,
  machineOf,
  remove,
  isMaking,
  isClosing,
  log,
}: RecoveryDeps): Recovery {
  let reconciling: Promise<readonly string[]> | undefined;
  const reconcile = (): Promise<readonly string[]> => {
    reconciling ??= (async () => {
      // Asked anew each time: workspaces are made while this runs, and each has its row before anything else.
      const isKnown = (id: number): boolean => store.workspaces.get(id) !== null;
      const left: string[] = [];
      for (const driver of drivers)
        try {
          left.push(...((await driver.reconcile?.(isKnown)) ?? []));
        } catch (error) {
          log(`driver ${driver.name}: ${String(error)}`);
        }
      return left;
    })();
    return reconciling;
  };
  const recoverOne = async (id: number): Promise<void> => {
    // As it is by now: it may have been made or deleted meanwhile.
    const row = store.workspaces.get(id);
    if (!row || isMaking(id)) return;
    const machine = machineOf(row);
    // A deletion that fails again is in the workspace's state, and in the log.
    if (row.desired === "deleted") await remove(row, machine).catch(() => {});
    else await machine.recover();
  };
  return {
    reconcile,
    recover: async () => {
      await reconcile();
      const queue = store.workspaces.all().values();
      const worker = async (): Promise<void> => {
        for (const { id } of queue) {
          // A server that is told to end while it still starts must not start what it has just been asked to leave.
          if (isClosing()) return;
          await recoverOne(id);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    },
  };
}
