// A container that is somebody else's as well, as a sandbox. There is no helper in it until the first request, and none once
// its connection is gone; the next request starts another.
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, type Engine } from "../../engine/index.ts";
import type { ExecRequest, Sandbox, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import { selfArgv } from "../inside/helper.ts";
import { connectNear, type Remote } from "../remote/near.ts";
import { attach } from "./attach.ts";
import { unlessGone } from "./sandbox.ts";

export interface RuntimeSandboxOptions {
  readonly engine: Engine;
  readonly container: Dockerode.Container;
  readonly user: string;
  readonly home: string;
  readonly workdir: string;
  readonly paused: boolean;
}

/** As long as other sandboxes have; the runtime API's callers say how long. */
const GRACE_MS = 2_000;

type OnConnection = (connection: Duplex, from: { host: string; port: number }) => void;

export class RuntimeSandbox implements Sandbox {
  readonly home: string;
  readonly workdir: string;
  readonly user: string;
  readonly ended: Promise<{ readonly reason: string }>;
  readonly #engine: Engine;
  readonly #container: Dockerode.Container;
  #remote: Promise<Remote> | null = null;
  #end: (ending: { reason: string }) => void = () => {};
  #over = false;
  #paused: boolean;

  constructor({ engine, container, user, home, workdir, paused }: RuntimeSandboxOptions) {
    this.#engine = engine;
    this.#container = container;
    this.#paused = paused;
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
    if (!this.#paused) await this.#ask("pause", () => this.#container.pause());
    this.#paused = true;
  }

  async resume(): Promise<void> {
    if (this.#paused) await this.#ask("resume", () => this.#container.unpause());
    this.#paused = false;
  }

  async stop({ graceMs = GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    if (this.#over) return;
    await this.#ask("stop", async () => {
      // What is frozen hears no signal, and Podman refuses.
      if (this.#paused) await this.#container.unpause().catch(unlessGone);
      await this.#container.stop({ t: Math.ceil(graceMs / 1000) }).catch(unlessGone);
    });
    this.over("stopped");
  }

  /** The container has ended. */
  over(reason: string): void {
    this.#over = true;
    this.disconnect();
    this.#end({ reason });
  }

  /** The container was frozen, or goes on. */
  frozen(paused: boolean): void {
    this.#paused = paused;
  }

  /** Ends the helper, and with it what was started through it. */
  disconnect(): void {
    void this.#remote?.then((remote) => remote.close()).catch(() => {});
    this.#remote = null;
  }

  async #reach(): Promise<Remote> {
    if (this.#over) throw new RuncodeError("conflict", "the runtime is not running", { hint: "start it" });
    // A frozen helper would answer some day; the caller wants to know now.
    if (this.#paused) throw new RuncodeError("conflict", "the runtime is paused", { hint: "runcode runtime resume" });
    if (!this.#remote) {
      const remote = this.#connect();
      this.#remote = remote;
      const forget = (): void => {
        if (this.#remote === remote) this.#remote = null;
      };
      remote.then(({ closed }) => closed).then(forget, forget);
    }
    return await this.#remote;
  }

  async #connect(): Promise<Remote> {
    const argv = [...selfArgv(), "sandbox-agent", "--no-project"];
    const { transport, complaint } = await this.#ask("reach", () => attach(this.#container, argv, []));
    return await connectNear(transport).catch((error: unknown) => {
      const said = complaint() || "it said nothing";
      throw new RuncodeError("unavailable", `the helper does not run in the runtime: ${said}`, { cause: error });
    });
  }

  async #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw engineError(error, `cannot ${what} the runtime`, this.#engine.endpoint);
    }
  }
}
