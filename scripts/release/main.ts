// npm run release: every platform's binary, archive and package into dist/release, on one Linux machine, from npm packages
// alone; then what was built is tried out (test/release). The same commit gives the same bytes.
//
//   npm run release                              all of it
//   npm run release -- --only linux_x64,darwin_x64   these platforms; no formula and no npm packages
//   npm run release -- --out DIR --no-tests --no-measuring      elsewhere, not tried out, start-up not measured
//   npm run release -- --write                   also keeps sizes and start-up (release/tracked.json, bench/RESULTS.md), the schemas and Formula/
import { $ } from "bun";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { compile } from "../build.ts";
import { keepReleased, pages } from "../docs.ts";
import { tarGz, zip, type Entry } from "./archives.ts";
import { bundledPackages, licenceFile } from "./bundled.ts";
import { currentCommit } from "./commit.ts";
import { formula } from "./formula.ts";
import { sign } from "./macho/sign.ts";
import { verify } from "./macho/verify.ts";
import { completions, manuals } from "./manuals.ts";
import { mainPackage, platformPackage } from "./npm-packages.ts";
import { clientFiles } from "./runtime-client.ts";
import { runtimeOf } from "./runtimes.ts";
import { sbom } from "./sbom.ts";
import { archiveName, binaryName, TARGETS, type Target } from "./targets.ts";
import { grown, keep, lastTracked, measureStart, type Tracked } from "./tracked.ts";

const root = path.resolve(import.meta.dir, "../..");
const args = process.argv.slice(2);
const value = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const only = value("--only")?.split(",");
const targets = TARGETS.filter(({ name }) => only === undefined || only.includes(name));
if (only && targets.length !== only.length)
  throw new Error(`--only takes of: ${TARGETS.map(({ name }) => name).join(", ")}`);
const out = path.resolve(value("--out") ?? path.join(root, "dist", "release"));
const at = (...parts: string[]): string => path.join(out, ...parts);
const { version } = manifest;

const commit = await currentCommit();
if (commit.dirty) console.warn("some files differ from the commit: this is not a release of it");
await rm(out, { recursive: true, force: true });
await mkdir(at("npm"), { recursive: true });

// One that runs here: it says which packages are in it, and prints the completions.
const host = at("bin", "host", "runcode");
await compile(host, [`--metafile=${at("bin", "host", "metafile.json")}`]);
const packages = await bundledPackages(at("bin", "host", "metafile.json"));
const date = new Date(commit.seconds * 1000).toISOString().slice(0, 10);
const papers: Entry[] = [
  { name: "README.md", body: await readFile(path.join(root, "README.md")) },
  { name: "LICENSE", body: await readFile(path.join(root, "LICENSE")) },
  { name: "THIRD_PARTY_LICENSES", body: Buffer.from(licenceFile(packages)) },
];
const documents = [...(await pages())].map(([name, body]) => ({ name, body: Buffer.from(body) }));
const extras = [...documents, ...(await manuals({ version, date })), ...(await completions(host))];

const checksums = new Map<string, string>();
const sizes: Record<string, number> = {};
const archived = new Map<string, number>();
for (const target of targets) await release(target);

async function release(target: Target): Promise<void> {
  const started = performance.now();
  const file = at("bin", target.name, binaryName(target));
  await compile(file, [`--target=bun-${target.bun}`, `--compile-executable-path=${await runtimeOf(target)}`]);
  let binary: Buffer = await readFile(file);
  if (target.os === "darwin" && verify(binary).faults.length > 0) {
    binary = sign(binary, "runcode");
    await writeFile(file, binary);
  }
  sizes[target.name] = binary.length;
  // The binary first: installers read it out of the stream.
  const entries = [{ name: binaryName(target), body: binary, executable: true }, ...papers, ...extras];
  const [archive, npm] = await Promise.all([
    (target.os === "win32" ? zip : tarGz)(entries, commit.seconds),
    only ? null : platformPackage(target, version, binary, papers),
  ]);
  await publish(archiveName(target), archive);
  archived.set(target.name, archive.length);
  if (npm) await writeFile(at("npm", npm.file), npm.body);
  console.log(`${archiveName(target)} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

async function publish(name: string, body: Uint8Array | string): Promise<void> {
  checksums.set(name, createHash("sha256").update(body).digest("hex"));
  await writeFile(at(name), body);
}

await publish("runcode.spdx.json", await sbom(version, commit, packages));
await publish("THIRD_PARTY_LICENSES.txt", licenceFile(packages));
// What install.sh asks for when no version was named.
await publish("version.txt", `${version}\n`);
await writeFile(at("checksums.txt"), [...checksums].map(([name, sum]) => `${sum}  ${name}\n`).join(""));
if (!only) {
  const npm = await mainPackage(version, await clientFiles(), [...papers, ...documents]);
  await writeFile(at("npm", npm.file), npm.body);
  await mkdir(at("Formula"));
  await writeFile(at("Formula", "runcode.rb"), formula(version, checksums));
}

const before = await lastTracked();
let start: Tracked["start"] = before.start;
if (sizes["linux_x64"] !== undefined && process.arch === "x64" && !args.includes("--no-measuring")) {
  await writeFile(at("bin", "empty.ts"), "");
  await $`${process.execPath} build --compile --bytecode --format=esm ${at("bin", "empty.ts")} --outfile ${at("bin", "empty")}`.quiet();
  const runcode = at("bin", "linux_x64", "runcode");
  start = await measureStart(
    { runcode, empty: at("bin", "empty"), npm: only ? undefined : await npmCommand() },
    before,
  );
}
/** Lays npm's packages out as npm does, side by side; gives the command. */
async function npmCommand(): Promise<string> {
  for (const [file, folder] of [
    [`runcode-${version}.tgz`, "runcode"],
    [`runcode-io-linux-x64-${version}.tgz`, "@runcode-io/linux-x64"],
  ] as const) {
    const into = at("bin", "npm", "node_modules", folder);
    await mkdir(into, { recursive: true });
    await $`tar -xzf ${at("npm", file)} -C ${into} --strip-components=1`.quiet();
  }
  return at("bin", "npm", "node_modules", "runcode", "bin", "runcode");
}

const now: Tracked = { size: { ...before.size, ...sizes }, start };
if (args.includes("--write")) {
  await keep(now, archived);
  await keepReleased();
  if (!only) {
    await mkdir(path.join(root, "Formula"), { recursive: true });
    await writeFile(path.join(root, "Formula", "runcode.rb"), formula(version, checksums));
  }
} else {
  const jumps = grown(before, now);
  if (jumps.length > 0) throw new Error(`${jumps.join("\n")}\n(if it is meant: npm run release -- --write)`);
}
if (!args.includes("--no-tests")) {
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const { exitCode } = await $`${process.execPath} --bun ${vitest} run test/release`
    .cwd(root)
    .env({ ...process.env, RUNCODE_RELEASE: out, RUNCODE_BINARY: host })
    .nothrow();
  if (exitCode !== 0) process.exit(1);
}
console.log(`${targets.length} platforms in ${out}`);
