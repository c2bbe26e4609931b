// Workspaces over containers that were there first: those that the runtime API has started. The container is its caller's,
// with an image, a command and a life of its own; nothing here makes one, and the server's end leaves it running. The helper
// (inside/) is started in it only once somebody connects, and ended when nobody has used it for a while.
import type { Clock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, isMissing, type Engine } from "../../engine/index.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec } from "../driver.ts";
import type { EmbeddedOptions } from "../home.ts";
import { findAccount } from "../inside/account.ts";
import { fillHelper, helperMount } from "./helper.ts";
import { HelperVolume } from "./helper-volume.ts";
import { textOf } from "./image-files.ts";
import { lookInto } from "./look.ts";
import { labelsOf, serverName } from "./owner.ts";
import { unlessGone } from "./engine-sandbox.ts";
import { RuntimeSandbox } from "./runtime-sandbox.ts";

/** Which server's a runtime is; the value is the server's own name (owner.ts). */
export const RUNTIME_SERVER_LABEL = "runcode.runtime";

/** Between the last use of a helper and its end. */
export const HELPER_IDLE_MS = 5 * 60_000;

/** A directory as the gateway's `workdir` may be. */
const PLAIN = /^\/[A-Za-z0-9._@+/-]*$/;

export class RuntimeDriver implements Driver {
  readonly name = "runtime";
  readonly isolation = "container";
  readonly outlivesServer = true;
  readonly #options: EmbeddedOptions;
  readonly #reach: () => Promise<Engine>;
  readonly #clock: Clock;
  readonly #sandboxes = new Map<string, RuntimeSandbox>();
  readonly #helper = new HelperVolume();

  /** Takes how to reach the engine, which may not be there yet. */
  constructor(options: EmbeddedOptions, reach: () => Promise<Engine>, clock: Clock) {
    this.#options = options;
    this.#reach = reach;
    this.#clock = clock;
  }

  async probe(): Promise<DriverHealth> {
    return { ok: true, detail: "runtimes", enforces: { memory: false, processes: true, cpus: false } };
  }

  /** The labels by which this server knows its runtimes. */
  async labels(): Promise<Record<string, string>> {
    return { [RUNTIME_SERVER_LABEL]: await serverName(this.#options.dataDir) };
  }

  /**
   * The volume that a container must have at HELPER_DIR, so that it can be connected to; filled at the first call. Takes an image
   * that the engine has. Throws where there is none, as for an engine on a machine of another kind.
   */
  async helperVolume(image: string): Promise<string> {
    const engine = await this.#reach();
    const [program, ...script] = this.#options.self;
    if (process.platform !== "linux" || program === undefined || script.length > 0)
      throw new RuncodeError("unavailable", "runcode must be one executable for Linux");
    const server = await serverName(this.#options.dataDir);
    return await this.#helper.of({ api: engine.api, server, program }, async (volume) => {
      const about = { image, labels: labelsOf(server), mounts: [helperMount(volume)] };
      await lookInto(engine, about, async (container) => await fillHelper(container, volume, program));
    });
  }

  async create({ container }: SandboxSpec): Promise<void> {
    if (container === undefined) {
      throw new RuncodeError("bad_request", "runtimes are started through the runtime API", {
        hint: "runcode runtime start IMAGE",
      });
    }
  }

  async start(spec: SandboxSpec): Promise<Sandbox> {
    const { api, endpoint } = await this.#reach();
    try {
      await api.getContainer(idOf(spec)).start().catch(unlessGone);
    } catch (error) {
      throw engineError(error, `runtime ${spec.title} cannot be started`, endpoint, "start_failed");
    }
    const sandbox = await this.recover(spec);
    if (!sandbox) throw new RuncodeError("start_failed", `runtime ${spec.title} ended at once`);
    return sandbox;
  }

  async recover(spec: SandboxSpec): Promise<Sandbox | null> {
    const id = idOf(spec);
    const engine = await this.#reach();
    const container = engine.api.getContainer(id);
    try {
      const { State, Config } = await container.inspect();
      if (!State.Running) return null;
      const { user, home } = await this.#account(engine, id, Config.User);
      const workdir = PLAIN.test(Config.WorkingDir) && Config.WorkingDir !== "/" ? Config.WorkingDir : home;
      const idleness = { clock: this.#clock, idleMs: HELPER_IDLE_MS };
      const sandbox = new RuntimeSandbox({ engine, container, user, home, workdir, paused: State.Paused, idleness });
      this.#sandboxes.set(id, sandbox);
      void sandbox.ended.then(() => {
        if (this.#sandboxes.get(id) === sandbox) this.#sandboxes.delete(id);
      });
      return sandbox;
    } catch (error) {
      if (isMissing(error)) return null;
      throw engineError(error, `runtime ${spec.title} cannot be looked at`, engine.endpoint);
    }
  }

  /** Takes note of what became of a container without this driver's doing: that it ended, was frozen, or goes on. */
  note(container: string, now: { readonly ended: string } | { readonly paused: boolean }): void {
    const sandbox = this.#sandboxes.get(container);
    if ("ended" in now) sandbox?.over(now.ended);
    else sandbox?.frozen(now.paused);
  }

  async delete(spec: SandboxSpec): Promise<void> {
    const { api, endpoint } = await this.#reach();
    try {
      await api.getContainer(idOf(spec)).remove({ force: true, v: true }).catch(unlessGone);
    } catch (error) {
      throw engineError(error, `runtime ${spec.title} cannot be removed`, endpoint, "delete_failed");
    }
  }

  /** The runtimes go on; the helpers in them end with their connections. */
  async close(): Promise<void> {
    for (const sandbox of this.#sandboxes.values()) sandbox.disconnect();
  }

  /** Who the container's processes are, by its own /etc/passwd; root where it has none. */
  async #account({ api }: Engine, id: string, user: string): Promise<{ user: string; home: string }> {
    const passwd = await textOf(api.getContainer(id), "/etc/passwd").catch(() => "");
    const who = user.split(":")[0] ?? "";
    const account = findAccount(passwd, /^\d*$/.test(who) ? Number(who) : who);
    const home = account && PLAIN.test(account.home) ? account.home : "/";
    return { user: account?.name ?? (who || "root"), home };
  }
}

function idOf({ container, title }: SandboxSpec): string {
  if (container === undefined) throw new RuncodeError("start_failed", `workspace ${title} has no container`);
  return container;
}
