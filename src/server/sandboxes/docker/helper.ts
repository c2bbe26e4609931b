// The helper's files, in a volume of their own (helper-volume.ts): this very program and the C library it runs on here; the
// engine may be on another machine, never of another kind.
import { createReadStream, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { RECEIVER, receiverScript } from "../../../protocol/receiver.ts";
import { ifThere } from "../../engine/index.ts";
import { HELPER_DIR, LIBRARIES, LOADER, PROGRAM, selfArgv } from "../inside/helper.ts";
import { volumeMount } from "./container.ts";
import { archive, type Entry } from "./tar.ts";

const COMPLETE = "complete";

/** Takes the program's file; gives a name for exactly these bytes and libraries. */
export async function helperVersion(program: string): Promise<string> {
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
  const stream = await ifThere(container.getArchive({ path: `${HELPER_DIR}/${COMPLETE}` }));
  if (stream === null) return false;
  for await (const _chunk of stream as AsyncIterable<Uint8Array>) continue;
  return true;
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
