// Taking containers away.
import type Dockerode from "dockerode";
import { systemClock } from "../../../platform/clock.ts";
import { reasonOf, statusOf } from "../../engine/index.ts";

const ROUNDS = 20;
const BUSY_MS = 100;

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
    await systemClock.sleep(BUSY_MS);
  }
}
