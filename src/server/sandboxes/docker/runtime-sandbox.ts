// A container that is somebody else's as well. There is no helper in it until the first request, and none once its
// connection is gone or has not been used for a while; the next request starts another.
import type { Remote } from "../remote/near.ts";
import { ownEnvironment } from "../inside/own-environment.ts";
import { EngineSandbox, unlessGone, type EngineSandboxOptions } from "./engine-sandbox.ts";
import { watchUse, type Idleness } from "./idle.ts";
import { startHelper } from "./start-helper.ts";

export interface RuntimeSandboxOptions extends EngineSandboxOptions {
  readonly paused: boolean;
  /** When a helper that nobody uses is ended. */
  readonly idleness: Idleness;
}

export class RuntimeSandbox extends EngineSandbox {
  readonly #idleness: Idleness;
  #remote: Promise<Remote> | null = null;

  constructor({ paused, idleness, ...options }: RuntimeSandboxOptions) {
    super(options, { name: "runtime", resume: "runcode runtime resume" });
    this.#idleness = idleness;
    this.paused = paused;
  }

  /** The container was frozen, or goes on. */
  frozen(paused: boolean): void {
    this.paused = paused;
  }

  disconnect(): void {
    void this.#remote?.then((remote) => remote.close()).catch(() => {});
    this.#remote = null;
  }

  protected async remote(): Promise<Remote> {
    if (!this.#remote) {
      const idle = (): void => {
        if (this.#remote === remote) this.disconnect();
      };
      const remote = this.#connect().then((near) => watchUse(near, this.#idleness, idle));
      this.#remote = remote;
      const forget = (): void => {
        if (this.#remote === remote) this.#remote = null;
      };
      remote.then(({ closed }) => closed).then(forget, forget);
    }
    return await this.#remote;
  }

  /** The container stays, for whoever starts it again. */
  protected async halt(graceMs: number): Promise<void> {
    await this.container.stop({ t: Math.ceil(graceMs / 1000) }).catch(unlessGone);
  }

  async #connect(): Promise<Remote> {
    return await this.ask("reach", async () => {
      const { Config } = await this.container.inspect();
      const env = ownEnvironment(Config.Env ?? [], await this.engine.kind());
      return await startHelper(this.container, {
        words: ["--no-project"],
        env,
        place: "runtime",
        otherwise: "unavailable",
      });
    });
  }
}
