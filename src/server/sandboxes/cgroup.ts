// Control groups: the kernel's own list of a sandbox's processes, which nothing can leave by forking, and the limits on it.
// Version 2 and the older one with a hierarchy per controller are both used, and both at once where a machine has both.
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";
import { claim, removeGroup, removeUnclaimed } from "./claims.ts";
import type { DriverHealth, Limits } from "./driver.ts";
import { systemClock } from "../../platform/clock.ts";

export type Controller = "memory" | "pids" | "cpu" | "freezer";

/** A mounted hierarchy and the directory in it that this process is in. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly mount: string;
  readonly own: string;
  /** Of a version 1 hierarchy; what version 2 offers is read from its files. */
  readonly controllers: readonly Controller[];
}

const CONTROLLERS: readonly Controller[] = ["memory", "pids", "cpu", "freezer"];
const CPU_PERIOD_US = 100_000;

/** Takes the texts of /proc/self/mounts and /proc/self/cgroup; gives the hierarchies that matter here. */
export function parseHierarchies(mounts: string, self: string): Hierarchy[] {
  const own = new Map<string, string>();
  for (const line of self.split("\n")) {
    const [, names, dir] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (dir !== undefined) for (const name of (names ?? "").split(",")) own.set(name, dir);
  }
  const found: Hierarchy[] = [];
  for (const line of mounts.split("\n")) {
    const [, mount, type, options] = line.split(" ");
    if (mount === undefined || options === undefined) continue;
    // The kernel writes a space in a mount point as \040.
    const at = mount.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (type === "cgroup2") found.push({ version: 2, mount: at, own: own.get("") ?? "/", controllers: [] });
    if (type !== "cgroup") continue;
    const controllers = CONTROLLERS.filter((name) => options.split(",").includes(name));
    const [first] = controllers;
    if (first) found.push({ version: 1, mount: at, own: own.get(first) ?? "/", controllers });
  }
  return found;
}

/** The place below which a server makes one group for each of its workspaces. */
export interface CgroupRoot {
  readonly enforces: DriverHealth["enforces"];
  /** Makes the group of a workspace and sets its limits. Idempotent. */
  group(id: number, limits: Limits): Promise<Cgroup>;
  /** Removes the place itself, if no group is in it any more. */
  close(): Promise<void>;
}

interface Place {
  readonly version: 1 | 2;
  readonly dir: string;
  readonly controllers: ReadonlySet<string>;
}

/** Takes the data directory, which names this server; gives null where no group can be made at all. */
export async function cgroupRoot(dataDir: string): Promise<CgroupRoot | null> {
  if (process.platform !== "linux") return null;
  const [mounts, self] = await Promise.all([read("/proc/self/mounts"), read("/proc/self/cgroup")]);
  const name = `runcode-server-${createHash("sha256").update(dataDir).digest("hex").slice(0, 12)}`;
  const places: (Place & { release: () => void })[] = [];
  for (const hierarchy of parseHierarchies(mounts, self)) {
    const place = await claimedPlace(hierarchy, name);
    if (!place) continue;
    places.push(place);
    await removeUnclaimed(path.dirname(place.dir));
  }
  if (places.length === 0) return null;
  const offered = (name: Controller): boolean => places.some((place) => place.controllers.has(name));
  return {
    enforces: { memory: offered("memory"), processes: offered("pids"), cpus: offered("cpu") },
    group: async (id, limits) => {
      const made = places.map((place) => ({ ...place, dir: path.join(place.dir, String(id)) }));
      for (const place of made) {
        await mkdir(place.dir, { recursive: true });
        await limit(place, limits);
      }
      return new Cgroup(made);
    },
    close: async () => {
      for (const { dir, release } of places) {
        await rmdir(dir).catch(() => {});
        release();
      }
    },
  };
}

async function claimedPlace(hierarchy: Hierarchy, name: string): Promise<(Place & { release: () => void }) | null> {
  for (let round = 0; round < 3; round++) {
    const place = await firstPlace(hierarchy, name);
    if (!place) return null;
    const release = await claim(place.dir);
    if (release) return { ...place, release };
  }
  return null;
}

/** Below this process's own group, or below the top where its own may not be divided (the group of a systemd service). */
async function firstPlace(hierarchy: Hierarchy, name: string): Promise<Place | null> {
  let best: Place | null = null;
  for (const base of new Set([hierarchy.own, "/"])) {
    const parent = path.join(hierarchy.mount, base);
    const dir = path.join(parent, name);
    try {
      await mkdir(dir, { recursive: true });
      // A directory that could be made is of no use when processes cannot be moved into it.
      await writeFile(path.join(dir, "cgroup.procs"), "", { flag: "r+" });
    } catch {
      continue;
    }
    if (hierarchy.version === 1) return { version: 1, dir, controllers: new Set(hierarchy.controllers) };
    for (const level of [parent, dir])
      for (const controller of ["memory", "pids", "cpu"])
        await tryWrite(path.join(level, "cgroup.subtree_control"), `+${controller}`);
    const controllers = new Set((await read(path.join(dir, "cgroup.subtree_control"))).trim().split(/\s+/));
    if (!best || controllers.size > best.controllers.size) best = { version: 2, dir, controllers };
  }
  return best;
}

async function limit({ version, dir, controllers }: Place, limits: Limits): Promise<void> {
  const set = async (controller: Controller, file: string, value: string | undefined): Promise<void> => {
    if (controllers.has(controller) && value !== undefined) await writeFile(path.join(dir, file), value);
  };
  const text = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : String(Math.ceil(value));
  const quota = limits.cpus === undefined ? undefined : Math.max(1000, Math.round(limits.cpus * CPU_PERIOD_US));
  await set("pids", "pids.max", text(limits.processes));
  await set("memory", version === 2 ? "memory.max" : "memory.limit_in_bytes", text(limits.memoryBytes));
  if (version === 2) await set("cpu", "cpu.max", quota === undefined ? undefined : `${quota} ${CPU_PERIOD_US}`);
  else await set("cpu", "cpu.cfs_quota_us", text(quota));
}

/** The group of one workspace: one directory in each hierarchy. */
export class Cgroup {
  readonly #places: readonly Place[];

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /**
   * Takes an argv; gives one that first moves itself into the group and then becomes the other. A process that forks is
   * thereby inside from its first moment; moving it from here after it was started would lose what it had forked by then.
   */
  joined(argv: readonly string[]): readonly string[] {
    const files = this.#places.map((place) => path.join(place.dir, "cgroup.procs"));
    const join = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 126; shift; done; shift; exec "$@"';
    return ["/bin/sh", "-c", join, "sh", ...files, "--", ...argv];
  }

  /** The pids of all that is in it, of this machine's numbering. */
  async members(): Promise<number[]> {
    const pids = new Set<number>();
    for (const { dir } of this.#places) {
      for (const line of (await read(path.join(dir, "cgroup.procs"))).split("\n"))
        if (Number(line) > 0) pids.add(Number(line));
    }
    return [...pids];
  }

  /** Stops or continues everything in it at once; false where the kernel has no freezer to do it with. */
  async freeze(frozen: boolean): Promise<boolean> {
    for (const { version, dir, controllers } of this.#places) {
      if (version === 2 && (await tryWrite(path.join(dir, "cgroup.freeze"), frozen ? "1" : "0"))) return true;
      if (version === 1 && controllers.has("freezer"))
        return await tryWrite(path.join(dir, "freezer.state"), frozen ? "FROZEN" : "THAWED");
    }
    return false;
  }

  /** Removes it. The kernel keeps a group for a moment after its last process ended. */
  async remove(): Promise<void> {
    for (let round = 0; round < 50; round++) {
      const left = await Promise.all(this.#places.map(async ({ dir }) => await removeGroup(dir)));
      if (left.every(Boolean)) return;
      await systemClock.sleep(20);
    }
  }
}

async function read(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}

async function tryWrite(file: string, text: string): Promise<boolean> {
  return await writeFile(file, text, { flag: "r+" }).then(
    () => true,
    () => false,
  );
}
