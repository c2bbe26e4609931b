// Who made what on an engine. A server has a random name of its own, kept in its data directory; whatever does not carry it
// is somebody else's and is never touched. A directory that was copied has the same name, which two servers must not go by: so the
// name holds for the very directory that it was made in, and for no other (decision 072).
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import path from "node:path";
import { ensurePrivateDir, ioError, readIfThere, replaceFile } from "../../../platform/files.ts";
import { RuncodeError } from "../../../protocol/errors.ts";

export const SERVER_LABEL = "runcode.server";
export const WORKSPACE_LABEL = "runcode.workspace";

const names = new Map<string, Promise<string>>();

/**
 * Gives the server's name, made at the first call: once, whoever else asks at that moment. Throws RuncodeError `config_invalid` where
 * the directory is not the one that the name was made in, and `io`.
 */
export function serverName(dataDir: string): Promise<string> {
  const known = names.get(dataDir) ?? readName(dataDir);
  names.set(dataDir, known);
  known.catch(() => names.delete(dataDir));
  return known;
}

async function readName(dataDir: string): Promise<string> {
  const file = path.join(dataDir, "engine-owner");
  const placeFile = path.join(dataDir, "engine-owner-place");
  await ensurePrivateDir(dataDir);
  const known = (await readIfThere(file))?.trim();
  const place = await placeOf(dataDir);
  if (known && /^[0-9a-f]{12}$/.test(known)) {
    const kept = (await readIfThere(placeFile))?.trim();
    if (kept !== undefined && kept !== place)
      throw new RuncodeError(
        "config_invalid",
        `${dataDir} is a copy, or was moved here: its engine may serve another one`,
        {
          hint: `where no other server lives with the workspaces of ${known}: rm ${placeFile}; where one does, this one begins without them: rm ${file}`,
        },
      );
    if (kept === undefined) await replaceFile(placeFile, `${place}\n`);
    return known;
  }
  const fresh = randomBytes(6).toString("hex");
  // In this order: a name without a place is one that holds where it is found.
  await replaceFile(placeFile, `${place}\n`);
  await replaceFile(file, `${fresh}\n`);
  return fresh;
}

/** What stays the same through renames and restarts, and not in a copy. Numbers of devices change with the order in which disks are found. */
async function placeOf(dir: string): Promise<string> {
  const { ino } = await stat(dir, { bigint: true }).catch((error: unknown) => {
    throw ioError(`cannot look at ${dir}`, error);
  });
  return `inode ${ino}`;
}

/** The name of a workspace's container. A name belongs to one container of an engine, where labels come along with an image. */
export function containerName(server: string, workspace: number | string): string {
  return `runcode-${server}-${workspace}`;
}

/** Whether a container, as the engine lists it, has that name. */
export function isNamed({ Names }: { readonly Names: readonly string[] }, name: string): boolean {
  return Names.includes(`/${name}`);
}

/** The labels of everything that belongs to a workspace, or to the server alone. */
export function labelsOf(server: string, workspace?: number): Record<string, string> {
  return { [SERVER_LABEL]: server, ...(workspace === undefined ? {} : { [WORKSPACE_LABEL]: String(workspace) }) };
}

/** As the engine's `filters` parameter wants them. */
export function labelFilters(labels: Readonly<Record<string, string>>): { label: string[] } {
  return { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) };
}

/** Whether all of these are among the labels of something. Podman's list of volumes takes one label of several for enough. */
export function carries(
  labels: Readonly<Record<string, string>> | null | undefined,
  wanted: Record<string, string>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => labels?.[name] === value);
}
