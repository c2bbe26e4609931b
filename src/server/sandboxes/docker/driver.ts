// The `docker` driver: a workspace is a container on whatever speaks the Docker Engine API, with a volume for its home that
// outlives it. A container is made anew at each start, so that image and limits are always what they are said to be. Inside
// runs our own helper (inside/), started by the engine with the container's own rights, and everything goes through it: the
// engine is asked to make, freeze and end containers, and never stands between a program and its streams.
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError } from "../../engine/index.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";
import { deleteFiles, workspaceFiles, type EmbeddedOptions } from "../home.ts";
import { LINK_DIR } from "../remote/link.ts";
import type { Remote } from "../remote/near.ts";
import { giveFiles } from "./giving.ts";
import { withoutGpus } from "./gpus.ts";
import { Holdings } from "./holdings.ts";
import { checkedImage, ensureImage } from "./image.ts";
import { linkDir, openDoor } from "./link.ts";
import { startContainer, type Making } from "./making.ts";
import type { EngineOptions } from "./options.ts";
import { probeEngine } from "./probe.ts";
import { reconcile } from "./reconciliation.ts";
import { ContainerSandbox } from "./sandbox.ts";
import { startHelper } from "./start-helper.ts";

/** A container that runs, and the link that it was started with. */
interface Started {
  readonly container: Dockerode.Container;
  readonly link: string | null;
}

export class DockerDriver implements Driver {
  readonly name = "docker";
  readonly isolation = "container";
  readonly #options: EmbeddedOptions;
  readonly #on: EngineOptions;
  #opened: Promise<Holdings> | undefined;
  /** Images whose containers were seen not to start with a link. */
  readonly #unlinkable = new Set<string>();

  constructor(options: EmbeddedOptions, on: EngineOptions) {
    this.#options = options;
    this.#on = on;
  }

  async probe(): Promise<DriverHealth> {
    workspaceFiles(this.#options.dataDir, 0);
    return await probeEngine(this.#options.self, async () => await this.#open(), this.#on);
  }

  async create(spec: SandboxSpec): Promise<void> {
    this.#imageOf(spec);
    const { engine, homes } = await this.#open();
    try {
      await homes.create(spec.id);
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be made", engine.endpoint, "create_failed");
    }
  }

  async start(spec: SandboxSpec, options: StartOptions = {}): Promise<Sandbox> {
    const { signal } = options;
    signal?.throwIfAborted();
    const holdings = await this.#open();
    const { engine, homes } = holdings;
    const { hardening } = this.#on;
    try {
      const image = await ensureImage(engine, this.#imageOf(spec), options);
      const helper = await holdings.helperVolume();
      const identity = await holdings.identityOf(image, helper);
      signal?.throwIfAborted();
      await holdings.removeContainers(spec.id);
      const home = await homes.open(spec.id, image.id);
      const making = { holdings, hardening, spec, image, identity, home, helper };
      const { owner } = home;
      const same = owner?.uid === identity.uid && owner.gid === identity.gid;
      if (owner && !same) {
        options.progress?.("giving its files to the image's user");
        await giveFiles(making, owner, signal);
      }
      const started = await this.#startContainer(making, signal);
      if (!same) await homes.belongs(spec.id, identity);
      signal?.throwIfAborted();
      const connect = async (): Promise<Remote> => await this.#connect(started, identity.home);
      return new ContainerSandbox({ engine, container: started.container, remote: await connect(), connect });
    } catch (error) {
      holdings.doubt();
      await holdings.removeContainers(spec.id).catch(() => {});
      if (signal?.aborted) throw error;
      throw engineError(
        withoutGpus(spec, error),
        `workspace ${spec.title} cannot be started`,
        engine.endpoint,
        "start_failed",
      );
    }
  }

  /** Ends what a former life of this server left of the workspace; a container is made anew at each start anyway. */
  async recover(spec: SandboxSpec): Promise<null> {
    const holdings = await this.#open();
    try {
      await holdings.removeContainers(spec.id);
      return null;
    } catch (error) {
      throw engineError(error, "the workspace's containers cannot be cleared up", holdings.engine.endpoint);
    }
  }

  /** Removes what this server has on the engine for workspaces that are none any more, but for homes with files in them. */
  async reconcile(isKnown: (id: number) => boolean): Promise<readonly string[]> {
    const holdings = await this.#open();
    try {
      return await reconcile(holdings, isKnown);
    } catch (error) {
      throw engineError(error, "the engine's containers cannot be brought in line", holdings.engine.endpoint);
    }
  }

  async delete(spec: SandboxSpec): Promise<void> {
    const holdings = await this.#open();
    try {
      await holdings.removeContainers(spec.id);
      await holdings.homes.remove(spec.id);
      await holdings.networks.remove(spec.id);
      await deleteFiles(workspaceFiles(this.#options.dataDir, spec.id));
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be removed", holdings.engine.endpoint, "delete_failed");
    }
  }

  async close(): Promise<void> {
    const holdings = await this.#opened?.catch(() => null);
    await holdings?.engine.close();
  }

  /** Removes what this server has on the engine beside workspaces, for whoever gives the engine up. */
  async forget(): Promise<void> {
    await (await this.#open()).forget();
  }

  /** Starts a container with a link where the engine can show it one, and without where not. */
  async #startContainer(making: Omit<Making, "link">, signal: AbortSignal | undefined): Promise<Started> {
    const link = await this.#linkOf(making);
    if (link !== null)
      try {
        return { container: await startContainer({ ...making, link }, signal), link };
      } catch (error) {
        if (![link, LINK_DIR].some((dir) => String(error).includes(dir))) throw error;
        // An engine with a disk of its own, as in a virtual machine, one that may not look there, or an image with a file there.
        this.#unlinkable.add(making.image.id);
        await making.holdings.removeContainers(making.spec.id);
      }
    return { container: await startContainer({ ...making, link: null }, signal), link: null };
  }

  /** The directory for a workspace's link, where the engine may see this machine's disk. */
  async #linkOf({ holdings, spec, image }: Omit<Making, "link">): Promise<string | null> {
    if (holdings.engine.endpoint.kind !== "unix" || this.#unlinkable.has(image.id)) return null;
    return await linkDir(workspaceFiles(this.#options.dataDir, spec.id).root);
  }

  async #connect({ container, link }: Started, home: string): Promise<Remote> {
    const door = link === null ? null : await openDoor(link);
    try {
      return await startHelper(container, {
        words: door ? ["--link"] : [],
        env: [`HOME=${home}`],
        choose: door?.choose,
        answerMs: this.#on.answerMs,
        place: "container",
        otherwise: "start_failed",
      });
    } finally {
      await door?.close();
    }
  }

  #imageOf({ image, title }: SandboxSpec): string {
    const name = image ?? this.#on.image;
    if (name !== null) return checkedImage(name);
    throw new RuncodeError("bad_request", `workspace ${title} names no image, and this server has no default one`, {
      hint: "runcode create --image IMAGE, or start the server with --image IMAGE",
    });
  }

  /** One that was not there is looked for again at the next request. */
  async #open(): Promise<Holdings> {
    this.#opened ??= Holdings.open(this.#options, this.#on);
    this.#opened.catch(() => (this.#opened = undefined));
    return await this.#opened;
  }
}
