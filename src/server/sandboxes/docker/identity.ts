// Who the processes of an image are.
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Engine } from "../../engine/index.ts";
import { findAccount } from "../inside/account.ts";
import { fillHelper, helperMount } from "./helper.ts";
import type { Image } from "./image.ts";
import { placeOf, textOf } from "./image-files.ts";
import { lookInto } from "./look.ts";
import { labelsOf } from "./owner.ts";

/** Who the processes of an image are, and where their home is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** The identities of an engine's images, each found once; the container that is needed for it also serves to fill the helper's volume. */
export class Identities {
  readonly #engine: Engine;
  readonly #server: string;
  readonly #program: string;
  readonly #known = new Map<string, Promise<Identity>>();

  /** Takes the server's name (owner.ts) and this program's file. */
  constructor(engine: Engine, server: string, program: string) {
    this.#engine = engine;
    this.#server = server;
    this.#program = program;
  }

  /** Takes an image that the engine has and the helper's volume (helper-volume.ts). Throws what dockerode throws. */
  async of(image: Image, helper: string): Promise<Identity> {
    const known = this.#known.get(image.id);
    if (known) return await known;
    const looking = this.#look(image, helper);
    this.#known.set(image.id, looking);
    looking.catch(() => this.#known.delete(image.id));
    return await looking;
  }

  /** The next one to ask has the image looked into again, and the helper's volume filled. */
  forget(): void {
    this.#known.clear();
  }

  async #look(image: Image, helper: string): Promise<Identity> {
    const about = { image: image.id, labels: labelsOf(this.#server), mounts: [helperMount(helper)] };
    return await lookInto(this.#engine, about, async (container) => {
      await fillHelper(container, helper, this.#program);
      const { home, ...ids } = identityOf(image.user, await textOf(container, "/etc/passwd"));
      for (const place of [home, ELSEWHERE]) {
        const real = await placeOf(container, place);
        if (HOMES.test(real)) return { ...ids, home: real };
      }
      throw new RuncodeError("start_failed", `the image has links to other places where a home would be: ${home}`, {
        hint: "choose an image in which it is a directory, or none",
      });
    });
  }
}

/** The places where homes are, and one that is a home's in any image. */
const HOMES = /^(\/root|\/home(\/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+)$/;
const ELSEWHERE = "/home/workspace";

/**
 * Takes the image's `User` and the text of its /etc/passwd. A volume is laid over the home, so it is only ever one of the
 * places where homes are: an account whose home is `/` or `/usr/sbin` gets one below /home. Throws RuncodeError `start_failed`
 * for a name without an account: what may be done depends on who it is.
 */
function identityOf(user: string, passwd: string): Identity {
  const [who = "", group = ""] = user.split(":");
  const number = /^\d+$/.test(who) ? Number(who) : null;
  const account = findAccount(passwd, who === "" ? 0 : (number ?? who));
  if (who !== "" && number === null && account === null)
    throw new RuncodeError("start_failed", `the image is to run as ${who}, whom its /etc/passwd does not name`, {
      hint: "choose an image that has that account, or whose USER is a number",
    });
  const uid = number ?? account?.uid ?? 0;
  const gid = /^\d+$/.test(group) ? Number(group) : (account?.gid ?? uid);
  const own = account?.home ?? "";
  const home = HOMES.test(own) ? own : ELSEWHERE;
  return { uid, gid, home: uid === 0 && own === "" ? "/root" : home };
}
