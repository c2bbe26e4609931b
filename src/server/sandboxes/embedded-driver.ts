// What the drivers have in common that work on this very machine: a workspace's files are below the data directory, and its
// processes in a control group where one can be had.
import { cgroupRoot, type Cgroup, type CgroupRoot } from "./cgroup.ts";
import type { Driver, DriverHealth, Limits, Sandbox, SandboxSpec, StartOptions } from "./driver.ts";
import { endAll } from "./ending.ts";
import { createFiles, deleteFiles, workspaceFiles, type EmbeddedOptions, type WorkspaceFiles } from "./home.ts";

export abstract class EmbeddedDriver implements Driver {
  abstract readonly name: string;
  abstract readonly isolation: Driver["isolation"];
  protected readonly options: EmbeddedOptions;
  #cgroups: Promise<CgroupRoot | null> | undefined;

  constructor(options: EmbeddedOptions) {
    this.options = options;
  }

  abstract probe(): Promise<DriverHealth>;

  abstract start(spec: SandboxSpec, options?: StartOptions): Promise<Sandbox>;

  async create(spec: SandboxSpec): Promise<void> {
    await createFiles(this.files(spec));
  }

  async recover(spec: SandboxSpec): Promise<null> {
    const cgroup = await this.cgroup(spec, {});
    await cgroup?.freeze(false);
    await endAll(async () => [...((await cgroup?.members()) ?? []), ...(await this.strays(spec))], 0);
    await cgroup?.remove();
    return null;
  }

  async delete(spec: SandboxSpec): Promise<void> {
    await deleteFiles(this.files(spec));
  }

  async close(): Promise<void> {
    await (await this.#cgroups)?.close();
  }

  /** What a former life of the server may have left running of a workspace that no control group shows. */
  protected async strays(_spec: SandboxSpec): Promise<readonly number[]> {
    return [];
  }

  protected files({ id }: Pick<SandboxSpec, "id">): WorkspaceFiles {
    return workspaceFiles(this.options.dataDir, id);
  }

  /** Makes the workspace's group; null where there are none. */
  protected async cgroup({ id }: SandboxSpec, limits: Limits): Promise<Cgroup | null> {
    return (await (await this.#cgroupRoot())?.group(id, limits)) ?? null;
  }

  protected async enforces(): Promise<DriverHealth["enforces"] | null> {
    return (await this.#cgroupRoot())?.enforces ?? null;
  }

  async #cgroupRoot(): Promise<CgroupRoot | null> {
    return await (this.#cgroups ??= cgroupRoot(this.options.dataDir));
  }
}

/** Where no limit can be set. */
export const NO_LIMITS = { memory: false, processes: false, cpus: false };
