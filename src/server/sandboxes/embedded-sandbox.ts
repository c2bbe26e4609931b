// What the sandboxes have in common that are on this very machine: they listen on its ports, and are frozen by their control
// group or, where there is none, by a signal to each of their processes.
import type { Duplex } from "node:stream";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Cgroup } from "./cgroup.ts";
import type { ExecRequest, OnConnection, Sandbox, SandboxListener, SandboxProcess, Target } from "./driver.ts";
import { signalEach } from "./tree.ts";

export abstract class EmbeddedSandbox implements Sandbox {
  abstract readonly home: string;
  abstract readonly workdir: string;
  abstract readonly user: string;
  abstract readonly ended: Promise<{ readonly reason: string }>;
  protected readonly cgroup: Cgroup | null;
  /** It takes nothing more. */
  protected over = false;
  readonly #listeners = new Set<SandboxListener>();

  constructor(cgroup: Cgroup | null) {
    this.cgroup = cgroup;
  }

  abstract exec(request: ExecRequest): Promise<SandboxProcess>;
  abstract sftp(): Promise<SandboxProcess>;
  abstract dial(target: Target): Promise<Duplex>;
  abstract stop(options?: { graceMs?: number }): Promise<void>;

  async listen(target: Target, onConnection: OnConnection): Promise<SandboxListener> {
    this.mustRun();
    const listener = await this.bind(target, onConnection);
    this.#listeners.add(listener);
    return {
      port: listener.port,
      close: async () => {
        this.#listeners.delete(listener);
        await listener.close();
      },
    };
  }

  async pause(): Promise<void> {
    this.mustRun();
    if (!(await this.cgroup?.freeze(true))) signalEach(await this.members(), "SIGSTOP");
  }

  async resume(): Promise<void> {
    this.mustRun();
    if (!(await this.cgroup?.freeze(false))) signalEach(await this.stopped(), "SIGCONT");
  }

  /** Listens, as `listen` says; whoever stops the sandbox closes it. */
  protected abstract bind(target: Target, onConnection: OnConnection): Promise<SandboxListener>;

  /** The pids of all that runs in it. */
  protected abstract members(): Promise<readonly number[]>;

  /** The pids of all that `pause` stopped, or that stopped with it. */
  protected async stopped(): Promise<readonly number[]> {
    return await this.members();
  }

  protected async closeListeners(): Promise<void> {
    await Promise.all([...this.#listeners].map(async (listener) => await listener.close()));
  }

  protected mustRun(): void {
    if (this.over) throw new RuncodeError("conflict", "the workspace is not running", { hint: "start it" });
  }
}
