// The volumes that workspaces' homes are on, and whose user ids are in them. Podman as root gives every container a user namespace
// of its own where its machine has ids for that (`containers` in /etc/subuid); a home keeps the ones that it was made with, as a
// label, since its files belong to them. Other engines have user namespaces for all containers or for none.
import type { Readable } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import { askPodman } from "../../engine/podman.ts";
import { ifThere, reasonOf, statusOf, type Engine } from "../../engine/index.ts";
import { volumeMount } from "./container.ts";
import { readRecord, recordFile, writeRecord, type HomeRecord, type Owner } from "./home-record.ts";
import { lookInto } from "./look.ts";
import { labelFilters, labelsOf } from "./owner.ts";
import { holdsNothing } from "./tar.ts";

/** What the home's containers get for `UsernsMode`. A home without it is the engine's own ids'. */
const USERS_LABEL = "runcode.users";
/** As many as an image may name, nobody (65534) among them. */
const IDS = 65_536;

/** Where a volume is that is only looked into. */
const LOOK_DIR = "/home/look";

/** Podman's words where there are no ids to be had. */
const NO_IDS = /sub[ug]id|enough available IDs|(mappings|UID\/GID) for user/i;

export interface Home {
  readonly volume: string;
  /** The container's `UsernsMode`; empty is as the engine has it. */
  readonly users: string;
  /** Whose files are in it; null where it was never used. */
  readonly owner: Owner | null;
}

export class Homes {
  readonly #engine: Engine;
  readonly #server: string;
  readonly #dataDir: string;
  #own: Promise<boolean> | undefined;
  /** Whether the engine was seen to have ids to give. */
  #hadUsers = false;

  /** Takes the server's name (owner.ts) and its data directory. */
  constructor(engine: Engine, server: string, dataDir: string) {
    this.#engine = engine;
    this.#server = server;
    this.#dataDir = dataDir;
  }

  /** Whether the engine may give each home ids of its own. Throws RuncodeError `unavailable`, and what dockerode throws. */
  async giveUsers(): Promise<boolean> {
    this.#own ??= givesUsers(this.#engine);
    this.#own.catch(() => (this.#own = undefined));
    return await this.#own;
  }

  /**
   * Makes the volume, except where its ids are still to be found, for which it takes an image: then `open` makes it. Idempotent.
   * Throws RuncodeError `conflict` where one of that name has files that this server knows nothing of, `io`, and what dockerode throws.
   */
  async create(workspace: number): Promise<void> {
    if (await readRecord(this.#dataDir, workspace)) return;
    const volume = this.#name(workspace);
    if (await ifThere(this.#engine.api.getVolume(volume).inspect())) {
      // A number may come a second time where the server's data is older than what is on the engine.
      if (!(await this.isEmpty(volume)))
        throw new RuncodeError(
          "conflict",
          `the volume ${volume} holds the files of a workspace that is not known here`,
        );
    } else {
      if (await this.giveUsers()) return;
      await this.#make(workspace, "");
    }
    await this.#remember(workspace, null);
  }

  /**
   * Gives a workspace's home, made where none was made before. Takes an image that the engine has. Throws RuncodeError `start_failed`
   * where one that was made is not there, or cannot have the ids that were promised, `io`, and what dockerode throws.
   */
  async open(workspace: number, image: string): Promise<Home> {
    const { api } = this.#engine;
    const volume = this.#name(workspace);
    const known = await readRecord(this.#dataDir, workspace);
    const there = await ifThere(api.getVolume(volume).inspect());
    if (!there && known) throw this.#gone(workspace, known);
    const users = there ? checkedUsers(there.Labels?.[USERS_LABEL]) : await this.#newUsers(image);
    if (!there) await this.#make(workspace, users);
    if (!known) await this.#remember(workspace, null);
    return { volume, users, owner: known?.owner ?? null };
  }

  /** Notes whose files are in a home from now on. Throws RuncodeError `io`. */
  async belongs(workspace: number, { uid, gid }: Owner): Promise<void> {
    await this.#remember(workspace, { uid, gid });
  }

  /** Whether nothing is in a volume, as before a workspace's first start; null where the engine has no image to look with. */
  async isEmpty(volume: string): Promise<boolean | null> {
    const [image] = await this.#engine.api.listImages();
    if (!image) return null;
    const mounts = [volumeMount(volume, LOOK_DIR, { bare: true })];
    return await lookInto(this.#engine, { image: image.Id, labels: labelsOf(this.#server), mounts }, async (look) =>
      holdsNothing((await look.getArchive({ path: LOOK_DIR })) as Readable),
    );
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
    this.#hadUsers = true;
    const parts = [...UidMap.map((map) => `uidmapping=${map}`), ...GidMap.map((map) => `gidmapping=${map}`)];
    // Without a size Podman 4.3 mounts the image to guess one, with locks held that another request may wait for: for ever.
    return checkedUsers(`auto:size=${IDS},${parts.join(",")}`);
  }

  /** What was said to be there is not left out in silence: root inside would be root of the machine. */
  async #newUsers(image: string): Promise<string> {
    if (!(await this.giveUsers())) return "";
    const users = (await this.findUsers(image)) ?? (await this.#anyUsers());
    if (users !== "" || !this.#hadUsers) return users;
    throw new RuncodeError("start_failed", "the engine has no user ids left for another workspace", {
      hint: "stop other workspaces, or give the engine's machine more: containers:… in /etc/subuid and /etc/subgid",
    });
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

  async #remember(workspace: number, owner: Owner | null): Promise<void> {
    const record = { volume: this.#name(workspace), engine: this.#engine.endpoint.url, owner };
    await writeRecord(this.#dataDir, workspace, record);
  }

  #gone(workspace: number, { volume, engine }: HomeRecord): RuncodeError {
    const here = this.#engine.endpoint.url;
    const made = engine === here ? "" : `; it was made on ${engine}`;
    return new RuncodeError("start_failed", `its home, the volume ${volume}, is not on the engine at ${here}${made}`, {
      hint: `bring the engine or the volume back, delete the workspace, or let it begin with an empty home: rm ${recordFile(this.#dataDir, workspace)}`,
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
