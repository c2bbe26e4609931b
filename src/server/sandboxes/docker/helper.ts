// The volume with the helper's files, filled once on an engine and shown read-only in every container of this server. It
// holds this very program and the C library it runs on here; the engine may be on another machine, never of another kind.
import { randomBytes } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { RECEIVER, receiverScript } from "../../../protocol/receiver.ts";
import { statusOf } from "../../engine/index.ts";
import { HELPER_DIR, LIBRARIES, LOADER, PROGRAM, selfArgv } from "../inside/helper.ts";
import { volumeMount } from "./container.ts";
import { carries, labelFilters, labelsOf } from "./owner.ts";
import { archive, type Entry } from "./tar.ts";

const COMPLETE = "complete";

/** Two names are taken by accident, if ever. */
const MOST_TRIES = 3;

/** Which version of the helper a volume holds. */
const HELPER_LABEL = "runcode.helper";

/**
 * Takes the server's name and the program's file; gives the volume for this version of the helper, made where it is missing, and
 * empty until `fillHelper`. Those of the server's other versions go, but for the ones that a container still has. Throws what
 * dockerode throws.
 */
export async function helperVolume(api: Dockerode, server: string, program: string): Promise<string> {
  const version = await helperVersion(program);
  let Name = `runcode-${server}-helper-${version}`;
  for (let tries = 1; ; tries++) {
    await api.createVolume({ Name, Labels: { ...labelsOf(server), [HELPER_LABEL]: version } });
    if (await isHelperVolume(api, server, Name)) break;
    if (tries === MOST_TRIES) throw new RuncodeError("start_failed", "the engine keeps no labels of volumes");
    Name = `runcode-${server}-helper-${version}-${randomBytes(4).toString("hex")}`;
  }
  const { Volumes } = await api.listVolumes({
    filters: labelFilters(labelsOf(server)) as unknown as Record<string, string[]>,
  });
  for (const { Name: other, Labels = {} } of Volumes ?? [])
    // What is in use goes another time.
    if (other !== Name && carries(Labels, labelsOf(server)) && Labels[HELPER_LABEL] !== undefined)
      await api
        .getVolume(other)
        .remove()
        .catch(() => {});
  return Name;
}

/**
 * Whether a volume is one that `helperVolume` made. One of that name that was removed is made again by the engine, for the next
 * container that wants it, and may hold what that container's image has at its place.
 */
export async function isHelperVolume(api: Dockerode, server: string, name: string): Promise<boolean> {
  const found = await api
    .getVolume(name)
    .inspect()
    .catch((error: unknown) => {
      if (statusOf(error) !== 404) throw error;
      return null;
    });
  return carries(found?.Labels, labelsOf(server)) && found?.Labels?.[HELPER_LABEL] !== undefined;
}

/** Takes the program's file; gives a name for exactly these bytes and libraries. */
async function helperVersion(program: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of [program, ...libraries().map(({ file }) => file)])
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest("hex").slice(0, 12);
}

/** Takes the volume; gives its mount for a container that is to fill it. */
export function helperMount(volume: string): Dockerode.MountSettings {
  return volumeMount(volume, HELPER_DIR, { bare: true });
}

/** By volume: who fills it now. */
const filling = new Map<string, Promise<void>>();

/**
 * Takes a container that was never started, with the volume at its place; fills it where that is still to be done. One at a
 * time: what has started already must not have its program written anew.
 */
export async function fillHelper(container: Dockerode.Container, volume: string, program: string): Promise<void> {
  const before = filling.get(volume);
  const mine = (async () => {
    await before?.catch(() => {});
    await fill(container, program);
  })();
  filling.set(volume, mine);
  try {
    await mine;
  } finally {
    if (filling.get(volume) === mine) filling.delete(volume);
  }
}

async function fill(container: Dockerode.Container, program: string): Promise<void> {
  if (await isComplete(container)) return;
  const loader = libraries().find(({ file }) => /\/ld-(linux|musl)/.test(file));
  if (!loader)
    throw new RuncodeError("start_failed", "the C library of this program was not found: no loader is mapped");
  const entries: Entry[] = [
    { name: LIBRARIES, directory: true },
    { name: LOADER, file: loader.file, size: loader.size },
    { name: PROGRAM, file: program, size: (await stat(program)).size },
    ...libraries().map(({ file, size }): Entry => {
      const name = `${LIBRARIES}/${path.basename(file)}`;
      return file === loader.file ? { name, link: `../${LOADER}` } : { name, file, size };
    }),
    ...muslNames(loader.file),
    // Through the loader, which is told where the libraries are.
    { name: path.basename(RECEIVER), text: receiverScript(selfArgv()) },
  ];
  await container.putArchive(archive(entries), { path: HELPER_DIR });
  // Last and apart: an engine that was killed in the middle must not leave a volume that looks whole.
  await container.putArchive(archive([{ name: COMPLETE, text: "", mode: 0o444 }]), { path: HELPER_DIR });
}

async function isComplete(container: Dockerode.Container): Promise<boolean> {
  try {
    const stream = await container.getArchive({ path: `${HELPER_DIR}/${COMPLETE}` });
    for await (const _chunk of stream as AsyncIterable<Uint8Array>) continue;
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

/** The shared libraries that this process has mapped: those that the program needs to run. */
function libraries(): { file: string; size: number }[] {
  const maps = readFileSync("/proc/self/maps", "utf8");
  const files = new Set([...maps.matchAll(/\s(\/\S+\/(?:lib|ld-)[^/\s]*\.so[^/\s]*)$/gm)].map(([, file = ""]) => file));
  return [...files].sort().map((file) => ({ file, size: Bun.file(file).size }));
}

/** musl's loader is its C library too, which programs ask for by another name. */
function muslNames(loader: string): Entry[] {
  const machine = /\/ld-musl-(\w+)\.so/.exec(loader)?.[1];
  return machine ? [{ name: `${LIBRARIES}/libc.musl-${machine}.so.1`, link: `../${LOADER}` }] : [];
}
