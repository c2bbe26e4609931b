// Containers that are made to look into an image, and are never started.
import { randomBytes } from "node:crypto";
import type Dockerode from "dockerode";
import type { Engine } from "../../engine/index.ts";

/** The containers that this process is looking into. */
const looking = new Set<string>();

/** A container that is only looked into. */
export interface Look {
  /** An image that the engine has. */
  readonly image: string;
  readonly labels: Record<string, string>;
  readonly mounts?: readonly Dockerode.MountSettings[];
  /** `UsernsMode`; as the engine has it when absent. */
  readonly users?: string;
}

/**
 * Takes what to look into and a function that is given its container, which is never started; gives what the function gives,
 * and removes the container. Throws what the engine says.
 */
export async function lookInto<T>(
  { api }: Engine,
  { image, labels, mounts = [], users }: Look,
  look: (container: Dockerode.Container) => Promise<T>,
): Promise<T> {
  const name = `runcode-look-${randomBytes(6).toString("hex")}`;
  looking.add(name);
  let container: Dockerode.Container | undefined;
  try {
    container = await api.createContainer({
      name,
      Image: image,
      Labels: labels,
      Entrypoint: ["/nothing"],
      Cmd: [],
      HostConfig: {
        NetworkMode: "none",
        ...(users === undefined ? {} : { UsernsMode: users }),
        Mounts: [...mounts],
      },
    });
    return await look(container);
  } finally {
    await container?.remove({ force: true, v: true }).catch(() => {});
    looking.delete(name);
  }
}

/** Whether a container was made by `lookInto`, and by a look that is over: the engine went away before it could be removed. */
export function isLeftover({ Names }: Dockerode.ContainerInfo): boolean {
  return Names.some((name) => name.startsWith("/runcode-look-") && !looking.has(name.slice(1)));
}
