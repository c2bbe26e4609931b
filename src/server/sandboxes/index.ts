// Sandboxes: where workspaces' processes live. driver.ts is the contract; process/ and namespace/ are the two engines that
// need nothing installed beyond the machine itself, docker/ is for container engines. A sandbox that is elsewhere is reached
// over one connection (remote/) by a helper that runs in it (inside/). What all are made of lies beside them: launch.ts (a process on pipes),
// terminal.ts (one on a pty), tree.ts (whose process is whose), cgroup.ts (limits, freezing, ending all at once),
// sockets.ts (forwards), home.ts (the files that outlive everything). test/conformance holds each driver to one suite.
import { RuncodeError } from "../../protocol/errors.ts";
import { ISOLATED } from "./docker/container.ts";
import type { Driver } from "./driver.ts";
import type { EngineOptions } from "./docker/options.ts";
import type { EmbeddedOptions } from "./home.ts";

/** What a driver is told: of this machine, and of the engine for the one that wants one. */
export interface DriverOptions extends EmbeddedOptions {
  readonly engine?: Partial<EngineOptions>;
}
export { ISOLATED } from "./docker/container.ts";
export type { EngineOptions } from "./docker/options.ts";

/** Need nothing but the machine. In the order of preference: the first that is healthy is a server's default. */
export const EMBEDDED = ["namespace", "process"] as const;
export const DRIVERS = [...EMBEDDED, "docker"] as const;

/** Takes a driver's name and what it needs to know of this machine; gives the driver, probed by nobody yet. Throws `usage`. */
export async function createDriver(name: string, options: DriverOptions): Promise<Driver> {
  switch (name) {
    case "namespace":
      return new (await import("./namespace/driver.ts")).NamespaceDriver(options);
    case "process":
      return new (await import("./process/driver.ts")).ProcessDriver(options);
    case "docker": {
      const { DockerDriver } = await import("./docker/driver.ts");
      const none = { address: null, image: null, network: ISOLATED, hardening: {} };
      return new DockerDriver(options, { ...none, ...options.engine });
    }
    default:
      throw new RuncodeError("usage", `there is no driver named ${JSON.stringify(name)}`, {
        hint: `choose one of: ${DRIVERS.join(", ")}`,
      });
  }
}
