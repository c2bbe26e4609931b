// The volumes that workspaces' homes are on, and whose user ids are in them. Podman as root gives every container a user namespace
// of its own where its machine has ids for that (`containers` in /etc/subuid); a home keeps the ones that it was made with, as a
// label, since its files belong to them. Other engines have user namespaces for all containers or for none.
import { askPodman } from "../../engine/podman.ts";
import { ifThere, reasonOf, statusOf, type Engine } from "../../engine/index.ts";
import { lookInto } from "./look.ts";
import { labelFilters, labelsOf } from "./owner.ts";

/** What the home's containers get for `UsernsMode`. A home without it is the engine's own ids'. */
const USERS_LABEL = "runcode.users";
/** As many as an image may name, nobody (65534) among them. */
const IDS = 65_536;

/** Podman's words where there are no ids to be had. */
const NO_IDS = /sub[ug]id|enough available IDs|(mappings|UID\/GID) for user/i;

export interface Home {
  readonly volume: string;
  /** The container's `UsernsMode`; empty is as the engine has it. */
  readonly users: string;
}

export class Homes {
  readonly #engine: Engine;
  readonly #server: string;
  #own: Promise<boolean> | undefined;

  /** Takes the server's name (owner.ts). */
  constructor(engine: Engine, server: string) {
    this.#engine = engine;
    this.#server = server;
  }

  /** Whether the engine may give each home ids of its own. Throws RuncodeError `unavailable`, and what dockerode throws. */
  async giveUsers(): Promise<boolean> {
    this.#own ??= givesUsers(this.#engine);
    this.#own.catch(() => (this.#own = undefined));
    return await this.#own;
  }

  /** Makes the volume, except where its ids are still to be found, for which it takes an image: then `open` makes it. */
  async create(workspace: number): Promise<void> {
    if (!(await this.giveUsers())) await this.#make(workspace, "");
  }

  /** Gives a workspace's home, made where it is missing. Takes an image that the engine has. Throws what dockerode throws. */
  async open(workspace: number, image: string): Promise<Home> {
    const { api } = this.#engine;
    const volume = this.#name(workspace);
    const there = await ifThere(api.getVolume(volume).inspect());
    if (there) return { volume, users: checkedUsers(there.Labels?.[USERS_LABEL]) };
    const users = (await this.giveUsers()) ? ((await this.findUsers(image)) ?? (await this.#anyUsers())) : "";
    await this.#make(workspace, users);
    return { volume, users };
  }

  /** Removes the volume with all that is in it. Idempotent. */
  async remove(workspace: number): Promise<void> {
    await ifThere(this.#engine.api.getVolume(this.#name(workspace)).remove({ force: true }));
  }

  /** Takes an image that the engine has; gives the `UsernsMode` of ids that no container has now, or null where there are none. */
  async findUsers(image: string): Promise<string | null> {
    if (!(await this.giveUsers())) return null;
    const { api } = this.#engine;
    const what = { image, labels: labelsOf(this.#server), users: `auto:size=${IDS}` };
    const found = await lookInto(this.#engine, what, async ({ id }) => {
      const path = `/containers/${id}/json`;
      return await askPodman<{ HostConfig: { IDMappings?: Mappings } }>(api, "GET", path);
    }).catch((error: unknown) => {
      // It says the same, with 500, whether it never had any or has given all of them away; of other troubles it says more.
      if (statusOf(error) === 500 && NO_IDS.test(reasonOf(error))) return null;
      throw error;
    });
    const { UidMap = [], GidMap = [] } = found?.HostConfig.IDMappings ?? {};
    if (UidMap.length === 0 || GidMap.length === 0) return null;
    const parts = [...UidMap.map((map) => `uidmapping=${map}`), ...GidMap.map((map) => `gidmapping=${map}`)];
    // Without a size Podman 4.3 mounts the image to guess one, with locks held that another request may wait for: for ever.
    return checkedUsers(`auto:size=${IDS},${parts.join(",")}`);
  }

  /** Those of another home: shared ones are still not the machine's own. */
  async #anyUsers(): Promise<string> {
    const filters = labelFilters(labelsOf(this.#server)) as unknown as Record<string, string[]>;
    const { Volumes } = await this.#engine.api.listVolumes({ filters });
    return (Volumes ?? []).map(({ Labels }) => checkedUsers(Labels?.[USERS_LABEL])).find((users) => users !== "") ?? "";
  }

  async #make(workspace: number, users: string): Promise<void> {
    const labels = labelsOf(this.#server, workspace);
    await this.#engine.api.createVolume({
      Name: this.#name(workspace),
      Labels: users === "" ? labels : { ...labels, [USERS_LABEL]: users },
    });
  }

  #name(workspace: number): string {
    return `runcode-${this.#server}-${workspace}-home`;
  }
}

interface Mappings {
  UidMap?: string[];
  GidMap?: string[];
}

/** Rootless, all ids are the account's already. */
async function givesUsers(engine: Engine): Promise<boolean> {
  return (await engine.kind()) === "podman" && !(await engine.traits()).rootless;
}

/** A label may say which ids, and nothing else that `UsernsMode` can be. */
function checkedUsers(text: string | undefined): string {
  return text !== undefined && /^auto:size=\d+(,[ug]idmapping=[\d:]+)+$/.test(text) ? text : "";
}
