// Files of an image, as the engine's archive API shows them in a container of it. A link is followed by the engine, which
// never leaves the container's root for it and gives up on one that leads round in a circle.
import type { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { ifThere } from "../../engine/index.ts";
import { onlyFile } from "./tar.ts";

/** Gives the text of a file, whichever links lead to it; empty where there is none. Throws what dockerode throws. */
export async function textOf(container: Dockerode.Container, file: string): Promise<string> {
  // Docker archives a link as such, Podman what it leads to.
  const path = (await linkTargetOf(container, file)) ?? file;
  const tar = await ifThere(container.getArchive({ path }));
  return (tar && (await onlyFile(tar as Readable))) ?? "";
}

/** Gives the path of the very place that a path leads to; what is not there is where its name says. Throws what dockerode throws. */
export async function placeOf(container: Dockerode.Container, path: string): Promise<string> {
  let place = "";
  for (const name of path.split("/").filter((part) => part !== "")) {
    place = `${place}/${name}`;
    place = (await linkTargetOf(container, place)) ?? place;
  }
  return place;
}

/** Gives what a link leads to in the end; null for what is none, or not there. */
async function linkTargetOf(container: Dockerode.Container, path: string): Promise<string | null> {
  const answer = (await ifThere(container.infoArchive({ path }))) as { headers?: Record<string, unknown> } | null;
  const header = answer?.headers?.["x-docker-container-path-stat"];
  if (typeof header !== "string") return null;
  const { linkTarget } = JSON.parse(Buffer.from(header, "base64").toString()) as { linkTarget?: unknown };
  return typeof linkTarget === "string" && linkTarget.startsWith("/") && linkTarget !== path ? linkTarget : null;
}
