// Who the processes of an image are.
import type { Readable } from "node:stream";
import { ifThere, type Engine } from "../../engine/index.ts";
import { findAccount } from "../inside/account.ts";
import { fillHelper, helperMount } from "./helper.ts";
import type { Image } from "./image.ts";
import { lookInto } from "./look.ts";
import { labelsOf } from "./owner.ts";
import { onlyFile } from "./tar.ts";

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
      const passwd = await ifThere(container.getArchive({ path: "/etc/passwd" }));
      return identityOf(image.user, (passwd && (await onlyFile(passwd as Readable))) ?? "");
    });
  }
}

/**
 * Takes the image's `User` and the text of its /etc/passwd. A volume is laid over the home, so it is only ever one of the
 * places where homes are: an account whose home is `/` or `/usr/sbin` gets one below /home.
 */
function identityOf(user: string, passwd: string): Identity {
  const [who = "", group = ""] = user.split(":");
  const number = /^\d+$/.test(who) ? Number(who) : null;
  const account = findAccount(passwd, who === "" ? 0 : (number ?? who));
  const uid = number ?? account?.uid ?? 0;
  const gid = /^\d+$/.test(group) ? Number(group) : (account?.gid ?? uid);
  const own = account?.home ?? "";
  const home = /^(\/root|\/home(\/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+)$/.test(own) ? own : "/home/workspace";
  return { uid, gid, home: uid === 0 && own === "" ? "/root" : home };
}
