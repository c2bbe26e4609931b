// The sizes of workspaces. A flavor is a name for limits; the operator makes them, whoever makes a workspace chooses one.
import type { Limits } from "../sandboxes/driver.ts";

/** Name → limits, in the order in which they are told. `default` is always there. */
export type Flavors = ReadonlyMap<string, Limits>;

const MiB = 1024 * 1024;

/** Where the operator has not said otherwise. */
export const BUILT_IN_FLAVORS: Flavors = new Map([
  // Room for everything but a fork bomb, which would take the host with it.
  ["default", { processes: 4096 }],
  ["small", { memoryBytes: 512 * MiB, processes: 256, cpus: 0.5 }],
  ["medium", { memoryBytes: 2048 * MiB, processes: 1024, cpus: 1 }],
  ["large", { memoryBytes: 8192 * MiB, processes: 4096, cpus: 4 }],
]);
