// A workspace's container. The helper's connection is what the server knows of it: when it ends, the engine is asked whether
// the container still runs; if so, another helper is started.
import type Dockerode from "dockerode";
import { systemClock } from "../../../platform/clock.ts";
import { statusOf, type Engine } from "../../engine/index.ts";
import type { Remote } from "../remote/near.ts";
import { EngineSandbox, unlessGone } from "./engine-sandbox.ts";
import { removeContainer } from "./removal.ts";

/** Between two questions to an engine that does not answer. */
const ASK_AGAIN_MS = [100, 250, 500, 1000, 2000, 5000];

export interface ContainerSandboxOptions {
  readonly engine: Engine;
  readonly container: Dockerode.Container;
  readonly remote: Remote;
  /** Starts another helper. */
  readonly connect: () => Promise<Remote>;
}

export class ContainerSandbox extends EngineSandbox {
  readonly #connect: () => Promise<Remote>;
  #remote: Promise<Remote>;

  constructor({ engine, container, remote, connect }: ContainerSandboxOptions) {
    const { user, home } = remote;
    super(
      { engine, container, user, home, workdir: `${home}/workspace` },
      { name: "workspace", resume: "resume it first" },
    );
    this.#connect = connect;
    this.#remote = Promise.resolve(remote);
    void this.#watch(remote);
  }

  disconnect(): void {
    void this.#remote.then((remote) => remote.close()).catch(() => {});
  }

  protected async remote(): Promise<Remote> {
    return await this.#remote;
  }

  protected async halt(graceMs: number): Promise<void> {
    if (graceMs > 0) await this.container.stop({ t: Math.ceil(graceMs / 1000) }).catch(unlessGone);
    else await this.container.kill({ signal: "SIGKILL" }).catch(unlessGone);
    await removeContainer(this.container);
  }

  /** Waits for the helper's end, and finds out what it means. */
  async #watch(remote: Remote): Promise<void> {
    await remote.closed;
    const next = Promise.withResolvers<Remote>();
    next.promise.catch(() => {});
    this.#remote = next.promise;
    for (let round = 0; !this.leaving; round++) {
      const reason = await this.#whyGone();
      if (this.leaving) break;
      if (reason !== null && reason !== undefined) {
        this.over(reason);
        break;
      }
      const fresh = reason === null ? await this.#connect().catch(() => null) : null;
      if (fresh) {
        next.resolve(fresh);
        return await this.#watch(fresh);
      }
      await systemClock.sleep(ASK_AGAIN_MS[Math.min(round, ASK_AGAIN_MS.length - 1)] ?? 1000);
    }
    next.reject(this.notRunning());
  }

  /** Why the container does not run any more; null when it does, undefined when the engine does not say. */
  async #whyGone(): Promise<string | null | undefined> {
    try {
      const { State } = await this.container.inspect();
      if (State.Running) return null;
      if (State.OOMKilled) return `its memory was used up (exit code ${State.ExitCode})`;
      return `its first process ended with exit code ${State.ExitCode}`;
    } catch (error) {
      return statusOf(error) === 404 ? "its container was removed" : undefined;
    }
  }
}
