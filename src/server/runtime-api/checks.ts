// What may be named to the engine. Images, containers and networks become parts of paths of its API, and some names are this
// server's own.
import { RuncodeError } from "../../protocol/errors.ts";
import { isImageName } from "../engine/index.ts";
import type { EngineNetwork, RuntimeEngine } from "./engine.ts";

/** Containers, volumes and networks of this program begin so; a name that is taken would keep a workspace from starting. */
const OWN_NAMES = "runcode-";
/** Labels under this prefix say what a server of ours believes of a container; no caller may write one. */
const OWN_LABELS = "runcode.";
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Networks that are no network of the container's own. */
const SHARED_NETWORKS = ["host", "ns", "container"];

/** Takes what a caller wants to call a container. Throws RuncodeError `bad_request` or `forbidden`. */
export function checkName(name: string): void {
  const said = JSON.stringify(name.slice(0, 200));
  if (!NAME.test(name)) throw new RuncodeError("bad_request", `name ${said}: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is one`);
  if (name.startsWith(OWN_NAMES))
    throw new RuncodeError("forbidden", `name ${said}: ${OWN_NAMES}* are this server's own`);
}

/** Takes a caller's labels. Throws RuncodeError `forbidden`. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const own = Object.keys(labels).find((label) => label.startsWith(OWN_LABELS));
  if (own !== undefined) throw new RuncodeError("forbidden", `label ${own}: ${OWN_LABELS}* are this server's own`);
}

/** Throws RuncodeError `bad_request` for what is no reference to an image. */
export function checkImage(image: string): void {
  if (!isImageName(image))
    throw new RuncodeError("bad_request", `${JSON.stringify(image.slice(0, 200))} is no image reference`);
}

/**
 * The host's network holds what listens on loopback only, this API among it; another container's holds that container's, and
 * those that this program made keep workspaces apart. Throws RuncodeError `forbidden`, and what the engine throws.
 */
export async function checkNetwork(engine: RuntimeEngine, network: string | undefined): Promise<void> {
  if (network === undefined) return;
  const [kind] = network.split(":") as [string];
  // A network also has an id, by which one of those could be meant.
  const no = SHARED_NETWORKS.includes(kind) || network.startsWith(OWN_NAMES) || !NAME.test(network);
  if (no || isNobodys(await engine.network(network)))
    throw new RuncodeError("forbidden", `network ${JSON.stringify(network)} is not a runtime's own`);
}

function isNobodys(network: EngineNetwork | null): boolean {
  if (!network) return false;
  const { name, driver, labels } = network;
  const own = name.startsWith(OWN_NAMES) || Object.keys(labels).some((label) => label.startsWith(OWN_LABELS));
  return driver === "host" || own;
}
