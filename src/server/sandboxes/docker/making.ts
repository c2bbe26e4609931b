// One container of a workspace, from all that is known of it to the start.
import path from "node:path";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { SandboxSpec } from "../driver.ts";
import { CAPABILITIES, containerOptions, volumeMount, type Hardening } from "./container.ts";
import { givable } from "./cpus.ts";
import { mustHaveGpus } from "./gpus.ts";
import type { Holdings } from "./holdings.ts";
import type { Home } from "./homes.ts";
import type { Identity } from "./identity.ts";
import type { Image } from "./image.ts";
import { lookInto } from "./look.ts";
import { containerName, labelsOf } from "./owner.ts";
import { archive } from "./tar.ts";

/** All that a container is made of. */
export interface Making {
  readonly holdings: Holdings;
  readonly hardening: Partial<Hardening>;
  readonly spec: SandboxSpec;
  readonly image: Image;
  readonly identity: Identity;
  readonly home: Home;
  /** The volume that the helper is in. */
  readonly helper: string;
  /** The workspace's directory of link.ts; null goes without. */
  readonly link: string | null;
}

/**
 * Makes a container and starts it. Throws what dockerode throws, RuncodeError `start_failed` for what the engine or the image has
 * not, and why the signal was aborted; a container that is there by then is left to the caller.
 */
export async function startContainer(making: Making, signal: AbortSignal | undefined): Promise<Dockerode.Container> {
  const container = await makeContainer(making);
  await mustHaveGpus(making.spec, container);
  signal?.throwIfAborted();
  await container.start();
  return container;
}

async function makeContainer(making: Making): Promise<Dockerode.Container> {
  const { spec, image, identity, home, helper, link } = making;
  const { engine, server, networks } = making.holdings;
  const { capabilities = CAPABILITIES, readOnlyRoot = false, seccomp = null, runtime = null } = making.hardening;
  const kind = await engine.kind();
  const open = image.volumes.find((dir) => !writable(dir, identity.home));
  if (readOnlyRoot && open !== undefined)
    throw new RuncodeError(
      "start_failed",
      `image ${spec.image ?? ""} wants a volume at ${open}, which would not be read-only`,
      {
        hint: "choose an image without VOLUME there",
      },
    );
  if (runtime !== null && kind === "podman")
    throw new RuncodeError("start_failed", `Podman would not run it with ${runtime}: its API has no say in that`, {
      hint: "set the runtime in Podman's containers.conf, and start the server without --engine-runtime",
    });
  const container = await engine.api.createContainer(
    containerOptions({
      name: containerName(server, spec.id),
      image: image.id,
      hostname: hostnameOf(spec),
      // A server's own come last, whatever else was let through.
      labels: { ...spec.labels, ...labelsOf(server, spec.id) },
      limits: await givable(engine, spec.limits),
      hardening: { capabilities, readOnlyRoot, seccomp, runtime },
      kind,
      enforces: (await engine.traits()).enforces,
      network: await networks.of(spec.id),
      root: identity.uid === 0,
      home: identity.home,
      homeVolume: home.volume,
      users: home.users,
      helperVolume: helper,
      link,
    }),
  );
  if (identity.uid !== 0) await giveHome(container, making, readOnlyRoot);
  return container;
}

/** A volume is root's when it is new; what lies in it is left as it is. */
async function giveHome(container: Dockerode.Container, making: Making, readOnlyRoot: boolean): Promise<void> {
  const {
    holdings,
    image,
    home: { volume, users },
  } = making;
  const { home, uid, gid } = making.identity;
  const entry = { name: home.slice(1), directory: true, mode: 0o700, uid, gid } as const;
  const give = async (to: Dockerode.Container): Promise<unknown> =>
    await to.putArchive(archive([entry]), { path: "/" });
  // dockerd unpacks nothing into a container whose root is read-only, not even into its volumes.
  const other = { image: image.id, labels: labelsOf(holdings.server), users, mounts: [volumeMount(volume, home)] };
  await (readOnlyRoot ? lookInto(holdings.engine, other, give) : give(container));
}

function hostnameOf({ title }: SandboxSpec): string {
  const plain = title.replace(/[^A-Za-z0-9-]/g, "-").replace(/^-+|-+$/g, "");
  return plain.slice(0, 63) || "workspace";
}

/** Whether a directory can be written to although the root is read-only. */
function writable(dir: string, home: string): boolean {
  const plain = path.posix.resolve("/", dir);
  return [home, "/tmp", "/run"].some((open) => plain === open || plain.startsWith(`${open}/`));
}
