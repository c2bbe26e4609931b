// All that one server has on its engine: a name there, homes, networks, and the helper in a volume.
import { homedir } from "node:os";
import { findEngine, type Engine } from "../../engine/index.ts";
import type { EmbeddedOptions } from "../home.ts";
import { HelperVolume } from "./helper-volume.ts";
import { Homes } from "./homes.ts";
import { Identities, type Identity } from "./identity.ts";
import type { Image } from "./image.ts";
import { Networks } from "./network.ts";
import type { EngineOptions } from "./options.ts";
import { serverName } from "./owner.ts";
import { removeContainers } from "./removal.ts";

export class Holdings {
  readonly engine: Engine;
  /** The server's name (owner.ts). */
  readonly server: string;
  readonly homes: Homes;
  readonly networks: Networks;
  readonly #program: string;
  readonly #helper = new HelperVolume();
  readonly #identities: Identities;

  private constructor(engine: Engine, server: string, { dataDir, self }: EmbeddedOptions, network: string) {
    const program = self[0] ?? "";
    this.engine = engine;
    this.server = server;
    this.homes = new Homes(engine, server, dataDir);
    this.networks = new Networks(engine, server, network);
    this.#program = program;
    this.#identities = new Identities(engine, server, program);
  }

  /** Finds the engine, which is asked nothing yet. Throws what `findEngine` and `serverName` throw. */
  static async open(options: EmbeddedOptions, on: EngineOptions): Promise<Holdings> {
    const engine = await findEngine(on.address, { env: process.env, home: homedir() }, on.answerMs);
    try {
      return new Holdings(engine, await serverName(options.dataDir), options, on.network);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Gives the volume that the helper is in: it is filled once `identityOf` was asked of any image. */
  async helperVolume(): Promise<string> {
    const owner = { api: this.engine.api, server: this.server, program: this.#program };
    return await this.#helper.of(owner, () => this.#identities.forget());
  }

  /** Takes an image that the engine has and the helper's volume; gives who the image's processes are. */
  async identityOf(image: Image, helper: string): Promise<Identity> {
    return await this.#identities.of(image, helper);
  }

  /** What is remembered of images and of the helper's volume may not hold any more, and is looked at anew. */
  doubt(): void {
    this.#identities.forget();
    this.#helper.forget();
  }

  /** Ends a workspace's containers and removes them. Throws what dockerode throws, and RuncodeError `conflict`. */
  async removeContainers(workspace: number): Promise<void> {
    await removeContainers(this.engine, this.server, workspace);
  }

  /** Removes the helper's volume and the networks, for whoever gives the engine up. */
  async forget(): Promise<void> {
    await this.networks.forget();
    await this.engine.api.getVolume(await this.helperVolume()).remove({ force: true });
  }
}
