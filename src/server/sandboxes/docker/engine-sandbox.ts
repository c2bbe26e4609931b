// What every running container is as a sandbox: its processes, files and ports are a helper's inside it, and the engine is
// asked to freeze and to end it. When a helper is started, and what its end means, is the subclasses' to say.
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { RuncodeError, type ErrorCode } from "../../../protocol/errors.ts";
import { engineError, reasonOf, statusOf, type Engine } from "../../engine/index.ts";
import type { ExecRequest, OnConnection, Sandbox, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import type { Remote } from "../remote/near.ts";

export interface EngineSandboxOptions {
  readonly engine: Engine;
  readonly container: Dockerode.Container;
  readonly user: string;
  readonly home: string;
  readonly workdir: string;
}

/** How a person is told of it. */
interface Words {
  readonly name: string;
  /** What to do about one that is frozen. */
  readonly resume: string;
}

const GRACE_MS = 2_000;

export abstract class EngineSandbox implements Sandbox {
  readonly home: string;
  readonly workdir: string;
  readonly user: string;
  readonly ended: Promise<{ readonly reason: string }>;
  protected readonly container: Dockerode.Container;
  protected paused = false;
  readonly #engine: Engine;
  readonly #words: Words;
  #end: (ending: { reason: string }) => void = () => {};
  #stopping: Promise<void> | null = null;
  #over = false;

  constructor({ engine, container, user, home, workdir }: EngineSandboxOptions, words: Words) {
    this.#engine = engine;
    this.#words = words;
    this.container = container;
    this.user = user;
    this.home = home;
    this.workdir = workdir;
    this.ended = new Promise((resolve) => (this.#end = resolve));
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
    const freeze = async (): Promise<void> => {
      await this.container.pause().catch(async (error: unknown) => {
        const { rootless } = await this.#engine.traits();
        if (!rootless || statusOf(error) !== 500) throw error;
        throw new RuncodeError("conflict", `cannot pause the ${this.#words.name}: ${reasonOf(error)}`, {
          hint: "stop it instead: a rootless engine pauses only where systemd gives its account cgroups of version 2",
          cause: error,
        });
      });
    };
    if (!this.paused) await this.ask("pause", freeze);
    this.paused = true;
  }

  async resume(): Promise<void> {
    this.#mustRun();
    if (this.paused) await this.ask("resume", async () => await this.container.unpause());
    this.paused = false;
  }

  async stop({ graceMs = GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    if (this.#over) return;
    this.#stopping ??= this.#stop(graceMs).finally(() => (this.#stopping = null));
    await this.#stopping;
  }

  /** The container has ended, or will not be asked for anything any more. */
  over(reason: string): void {
    this.#over = true;
    this.disconnect();
    this.#end({ reason });
  }

  /** Ends the helper, and with it what was started through it. */
  abstract disconnect(): void;

  /** Gives the helper that answers now, of a container that runs and is not frozen. */
  protected abstract remote(): Promise<Remote>;

  /** Has the engine end the container, which is not frozen. Throws what the engine says. */
  protected abstract halt(graceMs: number): Promise<void>;

  protected get leaving(): boolean {
    return this.#over || this.#stopping !== null;
  }

  protected notRunning(): RuncodeError {
    return new RuncodeError("conflict", `the ${this.#words.name} is not running`, { hint: "start it" });
  }

  /** Gives what the engine answers; its errors say that one cannot `what` the container. */
  protected async ask<T>(what: string, work: () => Promise<T>, otherwise?: ErrorCode): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw engineError(error, `cannot ${what} the ${this.#words.name}`, this.#engine.endpoint, otherwise);
    }
  }

  async #stop(graceMs: number): Promise<void> {
    const end = async (): Promise<void> => {
      // What is frozen hears no signal, and neither engine ends it. Where this fails the end fails as well, and says why.
      if (this.paused) await this.container.unpause().catch(() => {});
      this.paused = false;
      await this.halt(graceMs);
    };
    await this.ask("stop", end, "stop_failed");
    this.over("stopped");
  }

  async #reach(): Promise<Remote> {
    this.#mustRun();
    const { name, resume } = this.#words;
    // A frozen helper would answer some day; the caller wants to know now.
    if (this.paused) throw new RuncodeError("conflict", `the ${name} is paused`, { hint: resume });
    return await this.remote();
  }

  #mustRun(): void {
    if (this.leaving) throw this.notRunning();
  }
}

/** What has ended or is not there any more is as it should be. */
export function unlessGone(error: unknown): void {
  // Podman's 500 is a conflict to Docker: what has ended already cannot be killed.
  const improper = (error as { json?: { cause?: unknown } } | null)?.json?.cause === "container state improper";
  if (!improper && ![304, 404, 409].includes(statusOf(error) ?? 0)) throw error;
}
