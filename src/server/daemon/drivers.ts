// Which drivers this server runs with, and what a person should know of them before trusting them.
import { RuncodeError } from "../../protocol/errors.ts";
import type { Driver, DriverHealth } from "../sandboxes/driver.ts";
import { createDriver, EMBEDDED, type DriverOptions, type EngineOptions } from "../sandboxes/index.ts";
import type { Flavors } from "../workspaces/flavors.ts";
import type { DataDir } from "./data-dir.ts";

export interface OpenDrivers {
  /** The first is the default. */
  readonly drivers: readonly [Driver, ...Driver[]];
  /** Said aloud at start-up. */
  readonly notes: readonly string[];
}

/**
 * Opens the drivers of this server. Takes the names of those it shall have, the default first; with none it has the most
 * isolated one that works here and no other, since whoever may make a workspace chooses among what there is, and one without
 * isolation is the operator's to offer. `flavors` are what its workspaces may have. Throws RuncodeError `unavailable` when one that is wanted, or every one, does not work.
 */
export async function openDrivers(
  dir: DataDir,
  self: readonly string[],
  wanted: readonly string[],
  engine: EngineOptions,
  flavors: Flavors,
): Promise<OpenDrivers> {
  const drivers: Driver[] = [];
  const notes: string[] = [];
  for (const name of wanted.length > 0 ? wanted : EMBEDDED) {
    if (wanted.length === 0 && drivers.length > 0) break;
    const { driver, health } = await probe(name, { dataDir: dir.root, self, engine });
    if (driver && health.ok) {
      drivers.push(driver);
      notes.push(...describe(driver, health, drivers.length === 1, flavors));
      continue;
    }
    await driver?.close();
    const why = `driver ${name} does not work here: ${health.detail}`;
    if (wanted.length > 0) {
      for (const open of drivers) await open.close();
      throw new RuncodeError("unavailable", why, { hint: health.fix });
    }
    notes.push(health.fix === undefined ? why : `${why} (${health.fix})`);
  }
  const [first, ...rest] = drivers;
  if (!first) throw new RuncodeError("unavailable", notes.join("; "));
  return { drivers: [first, ...rest], notes };
}

async function probe(name: string, options: DriverOptions): Promise<{ driver: Driver | null; health: DriverHealth }> {
  let driver: Driver | null = null;
  try {
    driver = await createDriver(name, options);
    return { driver, health: await driver.probe() };
  } catch (error) {
    if (error instanceof RuncodeError && ["config_invalid", "insecure_base"].includes(error.code)) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    return { driver, health: { ok: false, detail, enforces: { memory: false, processes: false, cpus: false } } };
  }
}

function describe(driver: Driver, health: DriverHealth, isDefault: boolean, flavors: Flavors): string[] {
  const missing = Object.entries(health.enforces)
    .filter(([, enforced]) => !enforced)
    .map(([limit]) => limit);
  const { cpus: there = Infinity } = health;
  const wide = [...flavors].flatMap(([name, { cpus = 0 }]) => (cpus > there ? [{ name, cpus }] : []));
  return [
    `driver ${driver.name}${isDefault ? " (default)" : ""}: ${health.detail}`,
    ...(missing.length > 0 ? [`driver ${driver.name}: limits on ${missing.join(", ")} are not enforced here`] : []),
    ...wide.map(
      ({ name, cpus }) =>
        `driver ${driver.name}: flavor ${name} allows ${cpus} CPUs, and there are ${there}: it gives those`,
    ),
    ...(health.notes ?? []).map((note) => `driver ${driver.name}: ${note}`),
  ];
}
