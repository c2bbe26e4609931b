// The `docker` driver: a workspace is a container on whatever speaks the Docker Engine API, with a volume for its home that
// outlives it. A container is made anew at each start, so that image and limits are always what they are said to be. Inside
// runs our own helper (inside/), started by the engine with the container's own rights, and everything goes through it: the
// engine is asked to make, freeze and end containers, and never stands between a program and its streams.
import { homedir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, findEngine, statusOf, type Engine } from "../../engine/index.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";
import { deleteFiles, workspaceFiles, type EmbeddedOptions } from "../home.ts";
import { selfArgv } from "../inside/helper.ts";
import { LINK_DIR } from "../remote/link.ts";
import { connectNear, type Remote } from "../remote/near.ts";
import { attach } from "./attach.ts";
import { CAPABILITIES, containerOptions, volumeMount, type Hardening } from "./container.ts";
import { fillHelper, helperMount, helperVolume, isHelperVolume } from "./helper.ts";
import { mustHaveGpus, withoutGpus } from "./gpus.ts";
import { checkedImage, ensureImage, identityOf, isLeftover, lookInto, type Identity, type Image } from "./image.ts";
import { unlessGone } from "./engine-sandbox.ts";
import { Homes, type Home } from "./homes.ts";
import { linkDir, openDoor } from "./link.ts";
import { Networks } from "./network.ts";
import { labelFilters, labelsOf, serverName, WORKSPACE_LABEL } from "./owner.ts";
import { removeContainer, removeContainers } from "./removal.ts";
import { ContainerSandbox } from "./sandbox.ts";
import { archive, onlyFile } from "./tar.ts";

const NOTHING = { memory: false, processes: false, cpus: false };
/** The engine's names of the machines that this program runs on. */
const MACHINES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export interface EngineOptions {
  /** As `--engine` says it; null searches. */
  readonly address: string | null;
  /** What a workspace is made from that names no image. */
  readonly image: string | null;
  /** A network of the engine's, or ISOLATED (container.ts). */
  readonly network: string;
  readonly hardening: Partial<Hardening>;
  /** How long the engine, or the helper in a container, may stay silent when it was asked for something; minutes when absent. */
  readonly answerMs?: number;
}

/** All that a container is made of. */
interface Making {
  readonly engine: Engine;
  readonly spec: SandboxSpec;
  readonly image: Image;
  readonly identity: Identity;
  readonly home: Home;
  /** The volume that the helper is in. */
  readonly helper: string;
  readonly link: string | null;
}

export class DockerDriver implements Driver {
  readonly name = "docker";
  readonly isolation = "container";
  readonly #options: EmbeddedOptions;
  readonly #on: EngineOptions;
  #opened: Promise<Engine> | undefined;
  #server: Promise<string> | undefined;
  #helper: Promise<string> | undefined;
  /** Images whose containers were seen not to start with a link. */
  readonly #unlinkable = new Set<string>();
  #networks: Networks | undefined;
  #homes: Homes | undefined;
  readonly #identities = new Map<string, Promise<Identity>>();

  constructor(options: EmbeddedOptions, on: EngineOptions) {
    this.#options = options;
    this.#on = on;
  }

  async probe(): Promise<DriverHealth> {
    workspaceFiles(this.#options.dataDir, 0);
    const unwell = (detail: string, fix?: string): DriverHealth => ({
      ok: false,
      detail,
      ...(fix === undefined ? {} : { fix }),
      enforces: NOTHING,
    });
    if (process.platform !== "linux")
      return unwell("its helper is this very program, which must be one for Linux", "run the server on Linux");
    if (this.#options.self.length !== 1)
      return unwell("it needs runcode as one executable", "build it with `npm run build`");
    try {
      const engine = await this.#engine();
      const { kind, version, architecture, os } = await engine.facts();
      if (os !== "linux" || architecture !== MACHINES[process.arch])
        return unwell(
          `${kind} ${version} at ${engine.endpoint.url} runs ${os}/${architecture}, and this program is one for linux/${MACHINES[process.arch]}`,
          "use an engine on a machine of the same kind",
        );
      const info = (await engine.api.info()) as Record<string, unknown>;
      const security = (info["SecurityOptions"] as string[] | undefined) ?? [];
      const has = (name: string): boolean => security.some((option) => option.startsWith(`name=${name}`));
      const { rootless, enforces } = await engine.traits();
      const shape = [
        rootless ? "rootless" : has("userns") ? "user namespaces" : await this.#usersOf(engine),
        has("seccomp") ? "seccomp" : "no seccomp",
      ];
      return {
        ok: true,
        detail: `${kind} ${version} at ${engine.endpoint.url} (${engine.endpoint.from}), ${shape.join(", ")}`,
        enforces,
      };
    } catch (error) {
      const known = engineError(error, null);
      if (known.code === "config_invalid" || known.code === "insecure_base") throw known;
      return unwell(known.message, known.hint);
    }
  }

  /** Says whether containers have users of their own, which takes any image to find out. */
  async #usersOf(engine: Engine): Promise<string> {
    const homes = await this.#homesOn(engine);
    const [image] = (await homes.giveUsers()) ? await engine.api.listImages() : [];
    const users = image ? await homes.findUsers(image.Id) : null;
    return users === null ? "root inside is root of the engine's machine" : "a user namespace for each workspace";
  }

  async create(spec: SandboxSpec): Promise<void> {
    this.#imageOf(spec);
    const engine = await this.#engine();
    try {
      await (await this.#homesOn(engine)).create(spec.id);
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be made", engine.endpoint, "create_failed");
    }
  }

  async start(spec: SandboxSpec, options: StartOptions = {}): Promise<Sandbox> {
    const { signal } = options;
    signal?.throwIfAborted();
    const engine = await this.#engine();
    try {
      const image = await ensureImage(engine, this.#imageOf(spec), options);
      const helper = await this.#helperVolume(engine);
      const identity = await this.#identityOf(engine, image, helper);
      signal?.throwIfAborted();
      await this.#removeContainers(engine, spec.id);
      const home = await (await this.#homesOn(engine)).open(spec.id, image.id);
      const made = { engine, spec, image, identity, home, helper };
      let link = await this.#linkOf(engine, spec, image);
      const container = await this.#startContainer({ ...made, link }, signal).catch(async (error: unknown) => {
        if (link === null || ![link, LINK_DIR].some((dir) => String(error).includes(dir))) throw error;
        // An engine with a disk of its own, as in a virtual machine, one that may not look there, or an image with a file there.
        this.#unlinkable.add(made.image.id);
        link = null;
        await this.#removeContainers(engine, spec.id);
        return await this.#startContainer({ ...made, link }, signal);
      });
      signal?.throwIfAborted();
      const connect = async (): Promise<Remote> => await this.#connect(container, identity, link);
      const remote = await connect();
      return new ContainerSandbox({ engine, container, remote, connect });
    } catch (error) {
      // Whatever it was, what is remembered of images and of the helper's volume may not hold any more.
      this.#identities.clear();
      this.#helper = undefined;
      await this.#removeContainers(engine, spec.id).catch(() => {});
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
    const engine = await this.#engine();
    try {
      await this.#removeContainers(engine, spec.id);
      return null;
    } catch (error) {
      throw engineError(error, "the workspace's containers cannot be cleared up", engine.endpoint);
    }
  }

  /** Removes what this server has on the engine for workspaces that are none any more. */
  async reconcile(isKnown: (id: number) => boolean): Promise<void> {
    const engine = await this.#engine();
    const mine = labelFilters(labelsOf(await this.#name()));
    const isStray = ({ Labels = {} }: { Labels?: Record<string, string> }): boolean =>
      Labels[WORKSPACE_LABEL] === undefined ? false : !isKnown(Number(Labels[WORKSPACE_LABEL]));
    try {
      for (const found of await engine.api.listContainers({ all: true, filters: mine }))
        if (isStray(found) || isLeftover(found)) await removeContainer(engine.api.getContainer(found.Id));
      const { Volumes } = await engine.api.listVolumes({ filters: mine as unknown as Record<string, string[]> });
      for (const volume of Volumes ?? [])
        if (isStray(volume)) await engine.api.getVolume(volume.Name).remove().catch(unlessGone);
      await (await this.#networksOn(engine)).reconcile(isKnown);
    } catch (error) {
      throw engineError(error, "the engine's containers cannot be brought in line", engine.endpoint);
    }
  }

  async delete(spec: SandboxSpec): Promise<void> {
    const engine = await this.#engine();
    try {
      await this.#removeContainers(engine, spec.id);
      await (await this.#homesOn(engine)).remove(spec.id);
      await (await this.#networksOn(engine)).remove(spec.id);
      await deleteFiles(workspaceFiles(this.#options.dataDir, spec.id));
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be removed", engine.endpoint, "delete_failed");
    }
  }

  async close(): Promise<void> {
    const engine = await this.#opened?.catch(() => null);
    await engine?.close();
  }

  /** Removes the volume that this server keeps its helper in, and its networks, for whoever gives the engine up. */
  async forget(): Promise<void> {
    const engine = await this.#engine();
    await (await this.#networksOn(engine)).forget();
    await engine.api.getVolume(await this.#helperVolume(engine)).remove({ force: true });
  }

  async #startContainer(made: Making, signal: AbortSignal | undefined): Promise<Dockerode.Container> {
    const container = await this.#makeContainer(made);
    await mustHaveGpus(made.spec, container);
    signal?.throwIfAborted();
    await container.start();
    return container;
  }

  async #makeContainer({
    engine,
    spec,
    image,
    identity,
    home: { volume, users },
    helper,
    link,
  }: Making): Promise<Dockerode.Container> {
    const server = await this.#name();
    const { capabilities = CAPABILITIES, readOnlyRoot = false, seccomp = null, runtime = null } = this.#on.hardening;
    const kind = await engine.kind();
    const open = image.volumes.find((dir) => !writable(dir, identity.home));
    if (readOnlyRoot && open !== undefined)
      throw new RuncodeError(
        "start_failed",
        `image ${spec.image ?? ""} wants a volume at ${open}, which would not be read-only`,
        {
          hint: "choose an image without VOLUME there",
        },
      );
    if (runtime !== null && kind === "podman")
      throw new RuncodeError("start_failed", `Podman would not run it with ${runtime}: its API has no say in that`, {
        hint: "set the runtime in Podman's containers.conf, and start the server without --engine-runtime",
      });
    const container = await engine.api.createContainer(
      containerOptions({
        name: `runcode-${server}-${spec.id}`,
        image: image.id,
        hostname:
          spec.title
            .replace(/[^A-Za-z0-9-]/g, "-")
            .replace(/^-+|-+$/g, "")
            .slice(0, 63) || "workspace",
        // A server's own come last, whatever else was let through.
        labels: { ...spec.labels, ...labelsOf(server, spec.id) },
        limits: spec.limits,
        hardening: { capabilities, readOnlyRoot, seccomp, runtime },
        kind,
        enforces: (await engine.traits()).enforces,
        network: await (await this.#networksOn(engine)).of(spec.id),
        root: identity.uid === 0,
        home: identity.home,
        homeVolume: volume,
        users,
        helperVolume: helper,
        link,
      }),
    );
    // A volume is root's when it is new; what lies in it is left as it is.
    if (identity.uid !== 0) {
      const { home, uid, gid } = identity;
      const entry = { name: home.slice(1), directory: true, mode: 0o700, uid, gid } as const;
      const give = async (to: Dockerode.Container): Promise<unknown> =>
        await to.putArchive(archive([entry]), { path: "/" });
      // dockerd unpacks nothing into a container whose root is read-only, not even into its volumes.
      const other = { image: image.id, labels: labelsOf(server), users, mounts: [volumeMount(volume, home)] };
      await (readOnlyRoot ? lookInto(engine, other, give) : give(container));
    }
    return container;
  }

  async #connect(container: Dockerode.Container, { home }: Identity, link: string | null): Promise<Remote> {
    const door = link === null ? null : await openDoor(link);
    try {
      const argv = [...selfArgv(), "sandbox-agent", ...(door ? ["--link"] : [])];
      const { transport, complaint } = await attach(container, argv, [`HOME=${home}`]);
      return await connectNear(door ? door.choose(transport) : transport, this.#on.answerMs).catch((cause: unknown) => {
        const said = complaint() || "it said nothing";
        throw new RuncodeError("start_failed", `the helper does not run in the container: ${said}`, { cause });
      });
    } finally {
      await door?.close();
    }
  }

  /** The directory for a workspace's link, where the engine may see this machine's disk. */
  async #linkOf({ endpoint }: Engine, { id }: SandboxSpec, image: Image): Promise<string | null> {
    if (endpoint.kind !== "unix" || this.#unlinkable.has(image.id)) return null;
    return await linkDir(workspaceFiles(this.#options.dataDir, id).root);
  }

  /** Looks into an image, once; the container that is needed for it also serves to fill the helper's volume. */
  async #identityOf(engine: Engine, image: Image, helper: string): Promise<Identity> {
    const known = this.#identities.get(image.id);
    if (known) return await known;
    const looking = this.#look(engine, image, helper);
    this.#identities.set(image.id, looking);
    looking.catch(() => this.#identities.delete(image.id));
    return await looking;
  }

  async #look(engine: Engine, image: Image, helper: string): Promise<Identity> {
    const about = { image: image.id, labels: labelsOf(await this.#name()), mounts: [helperMount(helper)] };
    return await lookInto(engine, about, async (container) => {
      await fillHelper(container, helper, this.#options.self[0] ?? "");
      const passwd = await container.getArchive({ path: "/etc/passwd" }).then(
        async (tar) => await onlyFile(tar as Readable),
        (error: unknown) => {
          if (statusOf(error) !== 404) throw error;
          return null;
        },
      );
      return identityOf(image.user, passwd ?? "");
    });
  }

  async #removeContainers(engine: Engine, workspace: number): Promise<void> {
    await removeContainers(engine, labelsOf(await this.#name(), workspace));
  }

  #imageOf({ image, title }: SandboxSpec): string {
    const name = image ?? this.#on.image;
    if (name !== null) return checkedImage(name);
    throw new RuncodeError("bad_request", `workspace ${title} names no image, and this server has no default one`, {
      hint: "runcode create --image IMAGE, or start the server with --image IMAGE",
    });
  }

  async #helperVolume(engine: Engine): Promise<string> {
    const [program = ""] = this.#options.self;
    const server = await this.#name();
    const known = this.#helper;
    if (known && !(await isHelperVolume(engine.api, server, await known)) && this.#helper === known) {
      this.#helper = undefined;
      this.#identities.clear();
    }
    this.#helper ??= helperVolume(engine.api, server, program);
    this.#helper.catch(() => (this.#helper = undefined));
    return await this.#helper;
  }

  async #homesOn(engine: Engine): Promise<Homes> {
    return (this.#homes ??= new Homes(engine, await this.#name()));
  }

  async #networksOn(engine: Engine): Promise<Networks> {
    return (this.#networks ??= new Networks(engine, await this.#name(), this.#on.network));
  }

  async #name(): Promise<string> {
    return await (this.#server ??= serverName(this.#options.dataDir));
  }

  async #engine(): Promise<Engine> {
    // One that was not there is looked for again at the next request.
    this.#opened ??= findEngine(this.#on.address, { env: process.env, home: homedir() }, this.#on.answerMs);
    this.#opened.catch(() => (this.#opened = undefined));
    return await this.#opened;
  }
}

/** Whether a directory can be written to although the root is read-only. */
function writable(dir: string, home: string): boolean {
  const plain = path.posix.resolve("/", dir);
  return [home, "/tmp", "/run"].some((open) => plain === open || plain.startsWith(`${open}/`));
}
