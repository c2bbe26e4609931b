// A workspace's container. The helper's connection is what the server knows of it: when it ends, the engine is asked whether
// the container still runs; if so, another helper is started.
import type Dockerode from "dockerode";
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, statusOf, type Engine } from "../../engine/index.ts";
import type { Remote } from "../remote/near.ts";
import { EngineSandbox, unlessGone } from "./engine-sandbox.ts";
import { removeContainer } from "./removal.ts";

/** How long a request waits for the next helper. */
const NEXT_HELPER_MS = 5_000;
/** Between two questions to an engine that does not answer. */
const ASK_AGAIN_MS = [100, 250, 500, 1000, 2000, 5000];

const pauseAfter = (tries: number): number => ASK_AGAIN_MS[Math.min(tries, ASK_AGAIN_MS.length - 1)] ?? 1000;

/** The exit code of a process that was ended by SIGKILL. */
const KILLED = 137;

/** A helper that lived this long was well. */
const STEADY_MS = 10_000;

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
  /** Why there is no helper at the moment; null while there is one. */
  #away: string | null = null;

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
    if (this.#away === null) return await this.#remote;
    const enough = new AbortController();
    const late = systemClock.sleep(NEXT_HELPER_MS, enough.signal).then(() => {
      throw new RuncodeError("unavailable", this.#away ?? "no helper answers in the workspace", {
        hint: "what ran has ended; try again",
      });
    });
    late.catch(() => {});
    return await Promise.race([this.#remote, late]).finally(() => enough.abort());
  }

  protected async halt(graceMs: number): Promise<void> {
    if (graceMs > 0) await this.container.stop({ t: Math.ceil(graceMs / 1000) }).catch(unlessGone);
    else await this.container.kill({ signal: "SIGKILL" }).catch(unlessGone);
    await removeContainer(this.container);
  }

  /** Waits for the end of one helper after the other, and finds out what it means. */
  async #watch(first: Remote): Promise<void> {
    let hasty = 0;
    for (let remote: Remote | null = first; remote;) {
      const began = systemClock.now();
      await remote.closed;
      const next = Promise.withResolvers<Remote>();
      next.promise.catch(() => {});
      this.#remote = next.promise;
      this.#away = "the helper in the workspace has ended, and the next one does not answer yet";
      remote = null;
      // One that greets and dies is not started again and again without a pause.
      hasty = systemClock.now() - began > STEADY_MS ? 0 : hasty + 1;
      if (hasty > 1) await systemClock.sleep(pauseAfter(hasty - 2));
      for (let round = 0; !remote && !this.leaving; round++) {
        const reason = await this.#whyGone();
        if (this.leaving) break;
        if (typeof reason === "string") {
          await removeContainer(this.container).catch(() => {});
          this.over(reason);
          break;
        }
        remote = reason === null ? await this.#connect().catch(() => null) : null;
        if (!remote) await systemClock.sleep(pauseAfter(round));
      }
      if (remote) {
        this.#away = null;
        next.resolve(remote);
      } else next.reject(this.notRunning());
    }
  }

  /** Why the container does not run any more; null when it does, undefined when the engine does not say. */
  async #whyGone(): Promise<string | null | undefined> {
    try {
      const { State, HostConfig } = await this.container.inspect();
      if (State.Running) return null;
      if (State.OOMKilled) return `its memory was used up (exit code ${State.ExitCode})`;
      // Podman does not say so of a container on the first version of cgroups.
      if (State.ExitCode === KILLED && (HostConfig.Memory ?? 0) > 0)
        return `its first process was killed (exit code ${KILLED}): unless somebody did that, its memory was used up`;
      return `its first process ended with exit code ${State.ExitCode}`;
    } catch (error) {
      if (statusOf(error) === 404) return "its container was removed";
      this.#away = engineError(error, "nothing can be started in the workspace", this.engine.endpoint).message;
      return undefined;
    }
  }
}
