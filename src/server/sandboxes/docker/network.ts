// The networks of workspaces. Unless the operator names another, they are such that no workspace reaches another: a bridge of
// the server's own on which nothing passes from port to port (Docker), or a bridge for each workspace that nothing passes
// from to the others (Podman, which has no such switch for one bridge). Their interfaces begin with `rc-`, so that one rule
// of the machine's own firewall holds for all of them.
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, ifThere, reasonOf, statusOf, type Engine } from "../../engine/index.ts";
import { askPodman } from "../../engine/podman.ts";
import { ISOLATED } from "./container.ts";
import { carries, labelFilters, labelsOf, WORKSPACE_LABEL } from "./owner.ts";

interface Wanted {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the machine; at most 15 bytes long. */
  readonly bridge: string;
}

/** The networks that one server has on an engine. */
export class Networks {
  readonly #engine: Engine;
  readonly #server: string;
  readonly #asked: string;

  /** Takes the server's name (owner.ts), and what `--engine-network` says. */
  constructor(engine: Engine, server: string, asked: string) {
    this.#engine = engine;
    this.#server = server;
    this.#asked = asked;
  }

  /** Gives the network that a workspace's container belongs to, made where it is missing. Throws RuncodeError `start_failed`. */
  async of(workspace: number): Promise<string> {
    if (this.#asked !== ISOLATED) return this.#asked;
    const kind = await this.#engine.kind();
    const wanted = kind === "podman" ? this.#own(workspace) : this.#common();
    const { api, endpoint } = this.#engine;
    try {
      if (await isThere(api, wanted.name)) return wanted.name;
      await MAKE[kind](api, wanted).catch(async (error: unknown) => {
        // Another start may have been quicker.
        if (!(await isThere(api, wanted.name))) throw error;
      });
    } catch (error) {
      const known = engineError(error, "a network for the workspace cannot be made", endpoint, "start_failed");
      if (known.code === "unavailable") throw known;
      throw new RuncodeError("start_failed", known.message, {
        hint: "start the server with --engine-network default, none, or the name of a network that is there",
        cause: error,
      });
    }
    return wanted.name;
  }

  /** Whether there can be workspaces on it: what is made where it is missing and what is no network by name always can. */
  async isThere(): Promise<boolean> {
    if (this.#asked === ISOLATED || MODES[await this.#engine.kind()].includes(this.#asked)) return true;
    return await isThere(this.#engine.api, this.#asked);
  }

  /** Removes what a workspace has of its own; its containers are gone by then. */
  async remove(workspace: number): Promise<void> {
    await this.#removeAll(labelsOf(this.#server, workspace), () => true);
  }

  /** Removes the networks of workspaces that are none any more, and all of them where the setting wants none; not those in use. */
  async reconcile(isKnown: (id: number) => boolean): Promise<void> {
    await this.#removeAll(labelsOf(this.#server), ({ Labels = {} }) => {
      const workspace = Labels[WORKSPACE_LABEL];
      return this.#asked !== ISOLATED || (workspace !== undefined && !isKnown(Number(workspace)));
    });
  }

  /** Removes all of them, for whoever gives the engine up. */
  async forget(): Promise<void> {
    await this.#removeAll(labelsOf(this.#server), () => true);
  }

  async #removeAll(
    labels: Record<string, string>,
    unwanted: (network: Dockerode.NetworkInspectInfo) => boolean,
  ): Promise<void> {
    const { api } = this.#engine;
    for (const network of await api.listNetworks({ filters: labelFilters(labels) as unknown as string }))
      if (carries(network.Labels, labels) && unwanted(network))
        await api.getNetwork(network.Name).remove().catch(unlessUsed);
  }

  #common(): Wanted {
    const name = `runcode-${this.#server}`;
    return { name, labels: labelsOf(this.#server), bridge: `rc-${this.#server}` };
  }

  #own(workspace: number): Wanted {
    const name = `runcode-${this.#server}-${workspace}`;
    // A name of its own as well: the machine has one list of interfaces for all servers.
    const hash = new Bun.CryptoHasher("sha256").update(name).digest("hex");
    return { name, labels: labelsOf(this.#server, workspace), bridge: `rc-${hash.slice(0, 12)}` };
  }
}

/** What the engines take for a network that is none of those that they list. */
const MODES: Readonly<Record<"docker" | "podman", readonly string[]>> = {
  docker: ["none", "default"],
  podman: ["none", "default", "bridge", "private", "slirp4netns", "pasta"],
};

const MAKE: Readonly<Record<"docker" | "podman", (api: Dockerode, wanted: Wanted) => Promise<unknown>>> = {
  docker: async (api, { name, labels, bridge }) =>
    await api.createNetwork({
      Name: name,
      Driver: "bridge",
      Labels: { ...labels },
      Options: { "com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.name": bridge },
    }),
  // Podman's own API: through Docker's, a network always has a name server, which listens on the machine.
  podman: async (api, { name, labels, bridge }) =>
    await askPodman(api, "POST", "/networks/create", {
      name,
      driver: "bridge",
      labels,
      network_interface: bridge,
      dns_enabled: false,
      options: { isolate: "true" },
    }),
};

async function isThere(api: Dockerode, name: string): Promise<boolean> {
  return (await ifThere(api.getNetwork(name).inspect())) !== null;
}

/** What is gone is as it should be; what is in use goes another time. Podman says that with 500 and in words. */
function unlessUsed(error: unknown): void {
  const used = statusOf(error) === 500 && reasonOf(error).includes("being used");
  if (!used && ![403, 404, 409].includes(statusOf(error) ?? 0)) throw error;
}
