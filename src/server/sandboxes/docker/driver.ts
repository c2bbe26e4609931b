// The `docker` driver: a workspace is a container on whatever speaks the Docker Engine API, with a volume for its home that
// outlives it. A container is made anew at each start, so that image and limits are always what they are said to be. Inside
// runs our own helper (inside/), started by the engine with the container's own rights, and everything goes through it: the
// engine is asked to make, freeze and end containers, and never stands between a program and its streams.
import { homedir } from "node:os";
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
import { CAPABILITIES, containerOptions, type Hardening } from "./container.ts";
import { fillHelper, helperVersion } from "./helper.ts";
import { checkedImage, ensureImage, identityOf, stillContainer, type Identity, type Image } from "./image.ts";
import { linkDir, openDoor } from "./link.ts";
import { labelFilters, labelsOf, serverName, WORKSPACE_LABEL } from "./owner.ts";
import { ContainerSandbox, unlessGone } from "./sandbox.ts";
import { archive, onlyFile } from "./tar.ts";

const NOTHING = { memory: false, processes: false, cpus: false };
/** The engine's names of the machines that this program runs on. */
const MACHINES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export interface EngineOptions {
  /** As `--engine` says it; null searches. */
  readonly address: string | null;
  /** What a workspace is made from that names no image. */
  readonly image: string | null;
  readonly network: string | null;
  readonly hardening: Partial<Hardening>;
}

export class DockerDriver implements Driver {
  readonly name = "docker";
  readonly isolation = "container";
  readonly #options: EmbeddedOptions;
  readonly #on: EngineOptions;
  #opened: Promise<Engine> | undefined;
  #server: Promise<string> | undefined;
  #helper: Promise<string> | undefined;
  /** Whether the engine was seen not to find a directory of this machine. */
  #unlinkable = false;
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
      const shape = [
        has("rootless")
          ? "rootless"
          : has("userns")
            ? "user namespaces"
            : "root inside is root of the engine's machine",
        has("seccomp") ? "seccomp" : "no seccomp",
      ];
      return {
        ok: true,
        detail: `${kind} ${version} at ${engine.endpoint.url} (${engine.endpoint.from}), ${shape.join(", ")}`,
        enforces: {
          memory: info["MemoryLimit"] === true,
          processes: info["PidsLimit"] !== false,
          cpus: info["CpuCfsQuota"] === true,
        },
      };
    } catch (error) {
      const known = engineError(error, "the engine");
      if (known.code === "config_invalid" || known.code === "insecure_base") throw known;
      return unwell(known.message, known.hint);
    }
  }

  async create(spec: SandboxSpec): Promise<void> {
    this.#imageOf(spec);
    const engine = await this.#engine();
    const server = await this.#name();
    try {
      await engine.api.createVolume({ Name: this.#homeVolume(server, spec), Labels: labelsOf(server, spec.id) });
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be made", engine.endpoint, "create_failed");
    }
  }

  async start(spec: SandboxSpec, options: StartOptions = {}): Promise<Sandbox> {
    const { signal } = options;
    signal?.throwIfAborted();
    const engine = await this.#engine();
    let container: Dockerode.Container | null = null;
    try {
      const image = await ensureImage(engine, this.#imageOf(spec), options);
      const identity = await this.#identityOf(engine, image);
      signal?.throwIfAborted();
      await this.#removeContainers(engine, spec.id);
      let link = await this.#linkOf(engine, spec);
      for (;;) {
        try {
          container = await this.#makeContainer(engine, spec, image, identity, link);
          signal?.throwIfAborted();
          await container.start();
          break;
        } catch (error) {
          if (link === null || ![link, LINK_DIR].some((dir) => String(error).includes(dir))) throw error;
          // An engine with a disk of its own, as in a virtual machine, or one that may not look there.
          this.#unlinkable = true;
          link = null;
          await this.#removeContainers(engine, spec.id);
        }
      }
      signal?.throwIfAborted();
      const made = container;
      const connect = async (): Promise<Remote> => await this.#connect(made, identity, link);
      const remote = await connect();
      return new ContainerSandbox({ engine, container, remote, connect });
    } catch (error) {
      await container?.remove({ force: true, v: true }).catch(() => {});
      if (signal?.aborted) throw error;
      throw engineError(error, `workspace ${spec.title} cannot be started`, engine.endpoint, "start_failed");
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

  /** Removes what this server has on the engine for workspaces that are none of these. */
  async reconcile(known: ReadonlySet<number>): Promise<void> {
    const engine = await this.#engine();
    const mine = labelFilters(labelsOf(await this.#name()));
    const isStray = ({ Labels = {} }: { Labels?: Record<string, string> }): boolean =>
      Labels[WORKSPACE_LABEL] === undefined ? false : !known.has(Number(Labels[WORKSPACE_LABEL]));
    try {
      for (const found of await engine.api.listContainers({ all: true, filters: mine }))
        if (isStray(found)) await this.#remove(engine, found.Id);
      const { Volumes } = await engine.api.listVolumes({ filters: mine as unknown as Record<string, string[]> });
      for (const volume of Volumes ?? [])
        if (isStray(volume)) await engine.api.getVolume(volume.Name).remove().catch(unlessGone);
    } catch (error) {
      throw engineError(error, "the engine's containers cannot be brought in line", engine.endpoint);
    }
  }

  async delete(spec: SandboxSpec): Promise<void> {
    const engine = await this.#engine();
    const server = await this.#name();
    try {
      await this.#removeContainers(engine, spec.id);
      await engine.api
        .getVolume(this.#homeVolume(server, spec))
        .remove({ force: true })
        .catch((error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        });
      await deleteFiles(workspaceFiles(this.#options.dataDir, spec.id));
    } catch (error) {
      throw engineError(error, "the workspace's volume cannot be removed", engine.endpoint, "delete_failed");
    }
  }

  async close(): Promise<void> {
    const engine = await this.#opened?.catch(() => null);
    await engine?.close();
  }

  /** Removes the volume that this server keeps its helper in, for whoever gives the engine up. */
  async forget(): Promise<void> {
    const engine = await this.#engine();
    await engine.api.getVolume(await this.#helperVolume()).remove({ force: true });
  }

  async #makeContainer(
    engine: Engine,
    spec: SandboxSpec,
    image: Image,
    identity: Identity,
    link: string | null,
  ): Promise<Dockerode.Container> {
    const server = await this.#name();
    const { capabilities = CAPABILITIES, readOnlyRoot = false } = this.#on.hardening;
    const container = await engine.api.createContainer(
      containerOptions({
        name: `runcode-${server}-${spec.id}`,
        image: image.id,
        hostname:
          spec.title
            .replace(/[^A-Za-z0-9-]/g, "-")
            .replace(/^-+|-+$/g, "")
            .slice(0, 63) || "workspace",
        labels: labelsOf(server, spec.id),
        limits: spec.limits,
        hardening: { capabilities, readOnlyRoot },
        network: this.#on.network,
        root: identity.uid === 0,
        home: identity.home,
        homeVolume: this.#homeVolume(server, spec),
        helperVolume: await this.#helperVolume(),
        link,
      }),
    );
    // A volume is root's when it is new; what lies in it is left as it is.
    if (identity.uid !== 0) {
      const { home, uid, gid } = identity;
      const entry = { name: home.slice(1), directory: true, mode: 0o700, uid, gid } as const;
      await container.putArchive(archive([entry]), { path: "/" });
    }
    return container;
  }

  async #connect(container: Dockerode.Container, { home }: Identity, link: string | null): Promise<Remote> {
    const door = link === null ? null : await openDoor(link);
    try {
      const argv = [...selfArgv(), "sandbox-agent", ...(door ? ["--link"] : [])];
      const { transport, complaint } = await attach(container, argv, [`HOME=${home}`]);
      return await connectNear(door ? await door.choose(transport) : transport).catch((cause: unknown) => {
        const said = complaint() || "it said nothing";
        throw new RuncodeError("start_failed", `the helper does not run in the container: ${said}`, { cause });
      });
    } finally {
      await door?.close();
    }
  }

  /** The directory for a workspace's link, where the engine may see this machine's disk. */
  async #linkOf({ endpoint }: Engine, { id }: SandboxSpec): Promise<string | null> {
    if (endpoint.kind !== "unix" || this.#unlinkable) return null;
    return await linkDir(workspaceFiles(this.#options.dataDir, id).root);
  }

  /** Looks into an image, once; the container that is needed for it also serves to fill the helper's volume. */
  async #identityOf(engine: Engine, image: Image): Promise<Identity> {
    const known = this.#identities.get(image.id);
    if (known) return await known;
    const looking = this.#look(engine, image);
    this.#identities.set(image.id, looking);
    looking.catch(() => this.#identities.delete(image.id));
    return await looking;
  }

  async #look(engine: Engine, image: Image): Promise<Identity> {
    const still = stillContainer(image.id, labelsOf(await this.#name()), await this.#helperVolume());
    const container = await engine.api.createContainer(still);
    try {
      await fillHelper(container, this.#options.self[0] ?? "");
      const passwd = await container.getArchive({ path: "/etc/passwd" }).then(
        async (tar) => await onlyFile(tar as Readable),
        (error: unknown) => {
          if (statusOf(error) !== 404) throw error;
          return null;
        },
      );
      return identityOf(image.user, passwd ?? "");
    } finally {
      await container.remove({ force: true, v: true }).catch(() => {});
    }
  }

  async #removeContainers(engine: Engine, workspace: number): Promise<void> {
    const filters = labelFilters(labelsOf(await this.#name(), workspace));
    for (const { Id } of await engine.api.listContainers({ all: true, filters })) await this.#remove(engine, Id);
  }

  async #remove(engine: Engine, id: string): Promise<void> {
    await engine.api.getContainer(id).remove({ force: true, v: true }).catch(unlessGone);
  }

  #imageOf({ image, title }: SandboxSpec): string {
    const name = image ?? this.#on.image;
    if (name !== null) return checkedImage(name);
    throw new RuncodeError("bad_request", `workspace ${title} names no image, and this server has no default one`, {
      hint: "runcode create --image IMAGE, or start the server with --image IMAGE",
    });
  }

  #homeVolume(server: string, { id }: SandboxSpec): string {
    return `runcode-${server}-${id}-home`;
  }

  async #helperVolume(): Promise<string> {
    return `runcode-${await this.#name()}-helper-${await (this.#helper ??= helperVersion(this.#options.self[0] ?? ""))}`;
  }

  async #name(): Promise<string> {
    return await (this.#server ??= serverName(this.#options.dataDir));
  }

  async #engine(): Promise<Engine> {
    // One that was not there is looked for again at the next request.
    this.#opened ??= findEngine(this.#on.address, { env: process.env, home: homedir() });
    this.#opened.catch(() => (this.#opened = undefined));
    return await this.#opened;
  }
}
