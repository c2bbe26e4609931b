// Fetches the runtime of another platform: npm installs it from release/package-lock.json, which pins its hash, into a
// folder of its own. An ordinary `npm ci` of the project downloads none of them.
import { $ } from "bun";
import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";
import type { Target } from "./targets.ts";

const root = path.resolve(import.meta.dir, "../..");

/** Gives the path of the target's `bun`; throws what npm said when it cannot be had. */
export async function runtimeOf(target: Target): Promise<string> {
  const dir = path.join(root, "dist", "runtimes", [target.os, target.cpu, target.libc].filter(Boolean).join("-"));
  const bun = path.join(
    dir,
    "node_modules/@oven",
    `bun-${target.runtime}`,
    "bin",
    target.os === "win32" ? "bun.exe" : "bun",
  );
  await mkdir(dir, { recursive: true });
  for (const file of ["package.json", "package-lock.json"])
    await copyFile(path.join(root, "release", file), path.join(dir, file));
  const machine = [`--os=${target.os}`, `--cpu=${target.cpu}`, ...(target.libc ? [`--libc=${target.libc}`] : [])];
  // As optional dependencies of all platforms, npm installs those that fit the machine it is told of.
  await $`npm ci ${machine} --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error`.cwd(dir).quiet();
  if (!(await Bun.file(bun).exists())) throw new Error(`npm did not install the runtime of ${target.name}`);
  return bun;
}
