// Taking containers away. An engine may answer before it is done, and refuses while the kernel is not.
import type Dockerode from "dockerode";
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { reasonOf, statusOf, type Engine } from "../../engine/index.ts";
import { containerName, isNamed, labelFilters, labelsOf } from "./owner.ts";

/** A removal goes on for so many rounds, with a pause between two. */
const ROUNDS = 100;
const PAUSE_MS = 100;

/**
 * Ends a workspace's container and removes it; resolves when the engine has none. An earlier removal that nobody waited for may
 * still be going on: 409 to the next one, and its volume is in use. Takes the server's name (owner.ts). Throws what dockerode throws,
 * and RuncodeError `conflict` where it takes too long.
 */
export async function removeContainers({ api }: Engine, server: string, workspace: number): Promise<void> {
  const filters = labelFilters(labelsOf(server, workspace));
  for (let round = 1; round <= ROUNDS; round++) {
    const found = await api.listContainers({ all: true, filters });
    // What has the labels and another name was made of an image that somebody made of the workspace.
    const own = found.filter((container) => isNamed(container, containerName(server, workspace)));
    if (own.length === 0) return;
    for (const { Id } of own) await removeContainer(api.getContainer(Id));
    if (round > 1) await systemClock.sleep(PAUSE_MS);
  }
  throw new RuncodeError("conflict", "the engine has not removed the workspace's last container yet", {
    hint: "try again",
  });
}

/**
 * Ends a container and removes it with the volumes that have no name; one that is gone is as it should be. Podman refuses with
 * `device or resource busy` while the kernel takes apart what a container with ids of its own had mounted, which takes it
 * some milliseconds. Throws what dockerode throws.
 */
export async function removeContainer(container: Dockerode.Container): Promise<void> {
  for (let round = 1; ; round++) {
    try {
      await container.remove({ force: true, v: true });
      return;
    } catch (error) {
      if ([304, 404, 409].includes(statusOf(error) ?? 0)) return;
      if (round === ROUNDS || !reasonOf(error).includes("resource busy")) throw error;
    }
    await systemClock.sleep(PAUSE_MS);
  }
}
