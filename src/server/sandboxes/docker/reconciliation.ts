// What a server's start removes of what it has on its engine for workspaces that its store does not know: what holds nothing of
// anybody's. A home with files in it stays, since a store may be older than the engine (decision 072).
import { removeContainer } from "./removal.ts";
import type { Holdings } from "./holdings.ts";
import { unlessGone } from "./engine-sandbox.ts";
import { isLeftover } from "./look.ts";
import { carries, containerName, isNamed, labelFilters, labelsOf, WORKSPACE_LABEL } from "./owner.ts";

interface Labelled {
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Takes how to tell whose workspaces there are; gives what was left, in lines for the operator. Throws what dockerode throws. */
export async function reconcile(
  { engine, server, homes, networks }: Holdings,
  isKnown: (id: number) => boolean,
): Promise<readonly string[]> {
  const { api, endpoint } = engine;
  const mine = labelsOf(server);
  const filters = labelFilters(mine);
  /** The workspace that something is for, where it is none any more. */
  const strayOf = ({ Labels }: Labelled): string | null => {
    const id = Labels?.[WORKSPACE_LABEL];
    return id === undefined || isKnown(Number(id)) ? null : id;
  };
  for (const found of await api.listContainers({ all: true, filters })) {
    const stray = strayOf(found);
    // The labels alone are also on what was made of an image that somebody made of a workspace.
    if (isLeftover(found) || (stray !== null && isNamed(found, containerName(server, stray))))
      await removeContainer(api.getContainer(found.Id));
  }
  const kept: string[] = [];
  const { Volumes } = await api.listVolumes({ filters: filters as unknown as Record<string, string[]> });
  for (const volume of Volumes ?? []) {
    if (!carries(volume.Labels, mine) || strayOf(volume) === null) continue;
    if (await homes.isEmpty(volume.Name)) await api.getVolume(volume.Name).remove().catch(unlessGone);
    else kept.push(volume.Name);
  }
  await networks.reconcile(isKnown);
  if (kept.length === 0) return [];
  const what = kept.length === 1 ? "a home of a workspace" : `${kept.length} homes of workspaces`;
  const remove = `${await engine.kind()} volume rm ${kept.join(" ")}`;
  return [
    `the engine at ${endpoint.url} has ${what} that this server does not know, and keeps; to remove what is in there: ${remove}`,
  ];
}
