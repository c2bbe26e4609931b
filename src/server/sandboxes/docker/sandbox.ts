// A running container and the helper in it. The helper's connection is what the server knows of it: when it ends, the engine
// is asked whether the container still runs; if so, the next request starts another helper.
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, statusOf, type Engine } from "../../engine/index.ts";
import type { ExecRequest, Sandbox, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import type { Remote } from "../remote/near.ts";
import { removeContainer } from "./removal.ts";

/** Between two questions to an engine that does not answer. */
const ASK_AGAIN_MS = [100, 250, 500, 1000, 2000, 5000];

type OnConnection = (connection: Duplex, from: { host: string; port: number }) => void;

export interface ContainerSandboxOptions {
  readonly engine: Engine;
  readonly container: Dockerode.Container;
  readonly remote: Remote;
  /** Starts another helper. */
  readonly connect: () => Promise<Remote>;
}

export class ContainerSandbox implements Sandbox {
  readonly home: string;
  readonly workdir: string;
  readonly user: string;
  readonly ended: Promise<{ readonly reason: string }>;
  readonly #options: ContainerSandboxOptions;
  #remote: Promise<Remote>;
  #end: (ending: { reason: string }) => void = () => {};
  #paused = false;
  #stopping: Promise<void> | null = null;
  #over = false;

  constructor(options: ContainerSandboxOptions) {
    this.#options = options;
    this.home = options.remote.home;
    this.workdir = `${options.remote.home}/workspace`;
    this.user = options.remote.user;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    void this.ended.then(() => (this.#over = true));
    this.#remote = Promise.resolve(options.remote);
    void this.#watch(options.remote);
  }

  async exec(request: ExecRequest): Promise<SandboxProcess> {
    return await (await this.#reach()).exec(request);
  }

  async sftp(): Promise<SandboxProcess> {
    return await (await this.#reach()).sftp();
  }

  async dial(target: Target): Promise<Duplex> {
    return await (await this.#reach()).dial(target);
  }

  async listen(target: Target, onConnection: OnConnection): Promise<SandboxListener> {
    return await (await this.#reach()).listen(target, onConnection);
  }

  async pause(): Promise<void> {
    this.#mustRun();
    if (this.#paused) return;
    await this.#tell("pause", async (container) => await container.pause());
    this.#paused = true;
  }

  async resume(): Promise<void> {
    this.#mustRun();
    if (!this.#paused) return;
    await this.#tell("resume", async (container) => await container.unpause());
    this.#paused = false;
  }

  async stop({ graceMs = 2000 }: { graceMs?: number } = {}): Promise<void> {
    if (this.#over) return;
    this.#stopping ??= this.#stop(graceMs).finally(() => (this.#stopping = null));
    await this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    const { container, engine } = this.#options;
    try {
      // Neither engine ends what is frozen.
      if (this.#paused) await container.unpause().catch(() => {});
      this.#paused = false;
      if (graceMs > 0) await container.stop({ t: Math.ceil(graceMs / 1000) }).catch(unlessGone);
      else await container.kill({ signal: "SIGKILL" }).catch(unlessGone);
      await removeContainer(container);
    } catch (error) {
      throw engineError(error, "the workspace's container cannot be stopped", engine.endpoint, "stop_failed");
    }
    const remote = await this.#remote.catch(() => null);
    remote?.close();
    this.#end({ reason: "stopped" });
    await this.ended;
  }

  /** Gives the helper that answers now. */
  async #reach(): Promise<Remote> {
    this.#mustRun();
    if (this.#paused) throw new RuncodeError("conflict", "the workspace is paused", { hint: "resume it first" });
    return await this.#remote;
  }

  #mustRun(): void {
    if (this.#over || this.#stopping)
      throw new RuncodeError("conflict", "the workspace is not running", { hint: "start it" });
  }

  async #tell(what: string, ask: (container: Dockerode.Container) => Promise<unknown>): Promise<void> {
    try {
      await ask(this.#options.container);
    } catch (error) {
      throw engineError(error, `cannot ${what} the workspace`, this.#options.engine.endpoint);
    }
  }

  /** Waits for the helper's end, and finds out what it means. */
  async #watch(remote: Remote): Promise<void> {
    await remote.closed;
    if (this.#over) return;
    const next = Promise.withResolvers<Remote>();
    next.promise.catch(() => {});
    this.#remote = next.promise;
    for (let round = 0; !this.#over && !this.#stopping; round++) {
      const reason = await this.#whyGone();
      if (this.#over || this.#stopping) break;
      if (reason !== null && reason !== undefined) {
        this.#end({ reason });
        break;
      }
      const fresh = reason === null ? await this.#options.connect().catch(() => null) : null;
      if (fresh) {
        next.resolve(fresh);
        return await this.#watch(fresh);
      }
      await systemClock.sleep(ASK_AGAIN_MS[Math.min(round, ASK_AGAIN_MS.length - 1)] ?? 1000);
    }
    next.reject(new RuncodeError("conflict", "the workspace is not running", { hint: "start it" }));
  }

  /** Why the container does not run any more; null when it does, undefined when the engine does not say. */
  async #whyGone(): Promise<string | null | undefined> {
    try {
      const { State } = await this.#options.container.inspect();
      if (State.Running) return null;
      if (State.OOMKilled) return `its memory was used up (exit code ${State.ExitCode})`;
      return `its first process ended with exit code ${State.ExitCode}`;
    } catch (error) {
      return statusOf(error) === 404 ? "its container was removed" : undefined;
    }
  }
}

/** What has ended or is not there any more is as it should be. */
export function unlessGone(error: unknown): void {
  if (![304, 404, 409].includes(statusOf(error) ?? 0)) throw error;
}
