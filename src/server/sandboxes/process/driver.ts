// The `process` driver: a workspace is a home directory, and its processes are the server's own user's. It isolates
// nothing and says so; it is there so that a laptop with nothing installed can be the other end.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { ProcessSandbox } from "./sandbox.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { RECEIVER, receiverScript } from "../../../protocol/receiver.ts";
import type { DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";
import { EmbeddedDriver, NO_LIMITS } from "../embedded-driver.ts";
import { createFiles, isDirectory } from "../home.ts";
import { membersOf } from "../tree.ts";

export class ProcessDriver extends EmbeddedDriver {
  readonly name = "process";
  readonly isolation = "none";

  async probe(): Promise<DriverHealth> {
    if (process.platform === "win32") {
      return {
        ok: false,
        detail: "processes have no sessions and no terminals of this kind on Windows",
        fix: "run the server in WSL",
        enforces: NO_LIMITS,
      };
    }
    this.files({ id: 0 });
    const enforces = await this.enforces();
    const strays = enforces ? "" : "; without cgroups a process that hides well enough outlives a stop";
    return {
      ok: true,
      detail: `no isolation: a workspace's processes can do all that the server's user can${strays}`,
      enforces: enforces ?? NO_LIMITS,
    };
  }

  async start(spec: SandboxSpec, options: StartOptions = {}): Promise<Sandbox> {
    options.signal?.throwIfAborted();
    const files = this.files(spec);
    if (!(await isDirectory(files.home)))
      throw new RuncodeError("start_failed", `its home is not there: ${files.home}`, {
        hint: "bring it back from a backup, delete the workspace, or make the directory to begin anew",
      });
    await createFiles(files).catch((error: unknown) => {
      throw new RuncodeError("start_failed", "the workspace's home cannot be made", { cause: error });
    });
    const receiver = path.join(files.root, path.basename(RECEIVER));
    await writeFile(receiver, receiverScript(this.options.self), { mode: 0o700 }).catch((error: unknown) => {
      throw new RuncodeError("start_failed", `the workspace's ${receiver} cannot be written`, { cause: error });
    });
    return new ProcessSandbox(files, this.options.self, receiver, await this.cgroup(spec, spec.limits));
  }

  protected override async strays(spec: SandboxSpec): Promise<readonly number[]> {
    return await membersOf(this.files(spec).root, new Set());
  }
}
