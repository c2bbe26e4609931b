// Who made what on an engine. A server has a random name of its own, kept in its data directory; whatever does not carry it
// is somebody else's and is never touched.
import { randomBytes } from "node:crypto";
import path from "node:path";
import { ensurePrivateDir, readIfThere, replaceFile } from "../../../platform/files.ts";

export const SERVER_LABEL = "runcode.server";
export const WORKSPACE_LABEL = "runcode.workspace";

const names = new Map<string, Promise<string>>();

/** Gives the server's name, made at the first call: once, whoever else asks at that moment. */
export function serverName(dataDir: string): Promise<string> {
  const known = names.get(dataDir) ?? readName(dataDir);
  names.set(dataDir, known);
  known.catch(() => names.delete(dataDir));
  return known;
}

async function readName(dataDir: string): Promise<string> {
  const file = path.join(dataDir, "engine-owner");
  const known = (await readIfThere(file))?.trim();
  if (known && /^[0-9a-f]{12}$/.test(known)) return known;
  const fresh = randomBytes(6).toString("hex");
  await ensurePrivateDir(dataDir);
  await replaceFile(file, `${fresh}\n`);
  return fresh;
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
