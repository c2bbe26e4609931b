// The volume with the helper's files (helper.ts), shown read-only in every container of this server. Each version of the helper
// has its own, which is filled once on an engine.
import { randomBytes } from "node:crypto";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { ifThere } from "../../engine/index.ts";
import { helperVersion } from "./helper.ts";
import { carries, labelFilters, labelsOf } from "./owner.ts";

/** Two names are taken by accident, if ever. */
const MOST_TRIES = 3;

/** Which version of the helper a volume holds. */
const HELPER_LABEL = "runcode.helper";

/** Whose it is, and where. */
interface Owner {
  readonly api: Dockerode;
  /** The server's name (owner.ts). */
  readonly server: string;
  /** This program's file. */
  readonly program: string;
}

/** What a server remembers of its helper's volume on one engine. */
export class HelperVolume {
  #known: Promise<string> | undefined;

  /**
   * Gives the volume for this version of the helper, which is seen to be there still. One that has to be made is empty, and goes
   * through `begin` before anybody is given it. Throws what `begin` and dockerode throw, RuncodeError `start_failed`.
   */
  async of(owner: Owner, begin: (volume: string) => Promise<void> | void): Promise<string> {
    const known = this.#known;
    if (known && !(await isHelperVolume(owner, await known)) && this.#known === known) this.#known = undefined;
    const now = (this.#known ??= makeVolume(owner).then(async (volume) => {
      await begin(volume);
      return volume;
    }));
    now.catch(() => {
      if (this.#known === now) this.#known = undefined;
    });
    return await now;
  }

  /** The next one to ask has it made again where it is missing, and begun. */
  forget(): void {
    this.#known = undefined;
  }
}

/** Those of the server's other versions go, but for the ones that a container still has. */
async function makeVolume(owner: Owner): Promise<string> {
  const { api, server, program } = owner;
  const version = await helperVersion(program);
  let Name = `runcode-${server}-helper-${version}`;
  for (let tries = 1; ; tries++) {
    await api.createVolume({ Name, Labels: { ...labelsOf(server), [HELPER_LABEL]: version } });
    if (await isHelperVolume(owner, Name)) break;
    if (tries === MOST_TRIES) throw new RuncodeError("start_failed", "the engine keeps no labels of volumes");
    Name = `runcode-${server}-helper-${version}-${randomBytes(4).toString("hex")}`;
  }
  const { Volumes } = await api.listVolumes({
    filters: labelFilters(labelsOf(server)) as unknown as Record<string, string[]>,
  });
  for (const { Name: other, Labels = {} } of Volumes ?? [])
    // What is in use goes another time.
    if (other !== Name && carries(Labels, labelsOf(server)) && Labels[HELPER_LABEL] !== undefined)
      await api
        .getVolume(other)
        .remove()
        .catch(() => {});
  return Name;
}

/**
 * Whether a volume is one that `makeVolume` made. One of that name that was removed is made again by the engine, for the next
 * container that wants it, and may hold what that container's image has at its place.
 */
async function isHelperVolume({ api, server }: Owner, name: string): Promise<boolean> {
  const found = await ifThere(api.getVolume(name).inspect());
  return carries(found?.Labels, labelsOf(server)) && found?.Labels?.[HELPER_LABEL] !== undefined;
}
