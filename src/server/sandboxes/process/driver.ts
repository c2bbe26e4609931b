// The `process` driver: a workspace is a home directory, and its processes are the server's own user's. It isolates
// nothing and says so; it is there so that a laptop with nothing installed can be the other end.
import { ProcessSandbox } from "./sandbox.ts";
import { cgroupRoot, type CgroupRoot } from "../cgroup.ts";
import { endAll } from "../ending.ts";
import { createFiles, deleteFiles, workspaceFiles, type EmbeddedOptions, type WorkspaceFiles } from "../home.ts";
import { membersOf } from "../tree.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";

export class ProcessDriver implements Driver {
  readonly name = "process";
  readonly isolation = "none";
  readonly #options: EmbeddedOptions;
  #cgroups: Promise<CgroupRoot | null> | undefined;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
  }

  async probe(): Promise<DriverHealth> {
    if (process.platform === "win32") {
      return {
        ok: false,
        detail: "processes have no sessions and no terminals of this kind on Windows",
        fix: "run the server in WSL",
        enforces: { memory: false, processes: false, cpus: false },
      };
    }
    workspaceFiles(this.#options.dataDir, 0);
    const cgroups = await this.#cgroupRoot();
    const strays = cgroups ? "" : "; without cgroups a process that hides well enough outlives a stop";
    return {
      ok: true,
      detail: `no isolation: a workspace's processes can do all that the server's user can${strays}`,
      enforces: cgroups?.enforces ?? { memory: false, processes: false, cpus: false },
    };
  }

  async create(spec: SandboxSpec): Promise<void> {
    await createFiles(this.#files(spec));
  }

  async start(spec: SandboxSpec, options: StartOptions = {}): Promise<Sandbox> {
    options.signal?.throwIfAborted();
    const files = this.#files(spec);
    await createFiles(files).catch((error: unknown) => {
      throw new RuncodeError("start_failed", "the workspace's home cannot be made", { cause: error });
    });
    const cgroup = await (await this.#cgroupRoot())?.group(spec.id, spec.limits);
    return new ProcessSandbox(files, this.#options.self, cgroup ?? null);
  }

  async recover(spec: SandboxSpec): Promise<null> {
    const { root } = this.#files(spec);
    const cgroup = await (await this.#cgroupRoot())?.group(spec.id, {});
    await cgroup?.freeze(false);
    await endAll(async () => [...((await cgroup?.members()) ?? []), ...(await membersOf(root, new Set()))], 0);
    await cgroup?.remove();
    return null;
  }

  async delete(spec: SandboxSpec): Promise<void> {
    await deleteFiles(this.#files(spec));
  }

  async close(): Promise<void> {
    await (await this.#cgroups)?.close();
  }

  #files(spec: SandboxSpec): WorkspaceFiles {
    return workspaceFiles(this.#options.dataDir, spec.id);
  }

  async #cgroupRoot(): Promise<CgroupRoot | null> {
    return await (this.#cgroups ??= cgroupRoot(this.#options.dataDir));
  }
}
