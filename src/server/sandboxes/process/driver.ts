// The `process` driver: a workspace is a home directory, and its processes are the server's own user's. It isolates
// nothing and says so; it is there so that a laptop with nothing installed can be the other end.
import { ProcessSandbox } from "./sandbox.ts";
import { endAll } from "../ending.ts";
import { createFiles, deleteFiles, workspaceFiles, type EmbeddedOptions, type WorkspaceFiles } from "../home.ts";
import { membersOf } from "../tree.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";

export class ProcessDriver implements Driver {
  readonly name = "process";
  readonly isolation = "none";
  readonly #options: EmbeddedOptions;

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
    return {
      ok: true,
      detail: "no isolation: a workspace's processes can do all that the server's user can",
      enforces: { memory: false, processes: false, cpus: false },
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
    return new ProcessSandbox(files, this.#options.self);
  }

  async recover(spec: SandboxSpec): Promise<null> {
    await endAll(async () => await membersOf(this.#files(spec).root, new Set()), 0);
    return null;
  }

  async delete(spec: SandboxSpec): Promise<void> {
    await deleteFiles(this.#files(spec));
  }

  async close(): Promise<void> {}

  #files(spec: SandboxSpec): WorkspaceFiles {
    return workspaceFiles(this.#options.dataDir, spec.id);
  }
}
