// What servers leave behind in the cgroup file system, held to two real servers' worth of directories.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { cgroupRoot, parseHierarchies } from "./cgroup.ts";

const nameOf = (dir: string): string => `runcode-server-${createHash("sha256").update(dir).digest("hex").slice(0, 12)}`;

/** The directories of that name in all hierarchies, where a server could have made them. */
async function found(dataDir: string): Promise<string[]> {
  const [mounts, self] = await Promise.all(["mounts", "cgroup"].map((name) => readFile(`/proc/self/${name}`, "utf8")));
  const bases = parseHierarchies(mounts ?? "", self ?? "").flatMap(({ mount, own }) => [mount, path.join(mount, own)]);
  const names = await Promise.all([...new Set(bases)].map(async (base) => await readdir(base).catch(() => [])));
  return names.flat().filter((name) => name === nameOf(dataDir));
}

test("the next server removes the empty groups of one that was killed, and none of one that lives", async (context) => {
  const dirs = await Promise.all([1, 2, 3].map(async () => await mkdtemp(path.join(tmpdir(), "runcode-cgroup-"))));
  const [killed = "", living = "", next = ""] = dirs;
  const alive = await cgroupRoot(living);
  if (!alive) return context.skip("this machine lets this user make no cgroups: run it as root");
  const module = path.join(import.meta.dirname, "cgroup.ts");
  const script = `await (await (await import(${JSON.stringify(module)})).cgroupRoot(process.argv[1])).group(1, {});
    console.log("made"); setInterval(() => {}, 1000);`;
  const server = spawn(process.execPath, ["-e", script, killed], { stdio: ["ignore", "pipe", "inherit"] });
  await once(server.stdout, "data");
  const made = await found(killed);
  expect(made.length).toBeGreaterThan(0);
  expect(await found(living)).toHaveLength(made.length);
  const third = await cgroupRoot(next);
  expect(await found(killed)).toHaveLength(made.length);
  server.kill("SIGKILL");
  await once(server, "exit");
  await third?.close();
  const fourth = await cgroupRoot(next);
  expect(await found(killed)).toEqual([]);
  expect(await found(living)).toHaveLength(made.length);
  await Promise.all([alive.close(), fourth?.close()]);
  expect(await found(living)).toEqual([]);
  for (const dir of dirs) await rm(dir, { recursive: true });
});
