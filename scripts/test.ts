// The whole test command: format, lint, types, build, then every test against what was built. Ends with the counts on a
// line of their own.
//
//   npm test                     everything
//   npm test -- test/gateway     the checks, and the tests whose path matches
//
// Where root has podman or dockerd (and curl, busybox-static, debootstrap), engines of the tests' own are brought up first;
// RUNCODE_TEST_ENGINES names others, or `none`.
//
// RUNCODE_TEST_USER names an ordinary account; run as root, the drivers' conformance suite is then run a second time as it,
// on the engines that RUNCODE_TEST_USER_ENGINES names (scripts/engines.sh): people run the server either way.
import { $ } from "bun";
import { chmod, cp, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { build } from "./build.ts";

const root = path.dirname(import.meta.dir);
const filters = process.argv.slice(2);
const bin = (name: string): string => path.join(root, "node_modules", ".bin", name);
const scratch = await mkdtemp(path.join(os.tmpdir(), "runcode-test-"));

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function step(title: string, work: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  process.stdout.write(`\n== ${title}\n`);
  await work();
  process.stdout.write(`   ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

async function check(...argv: string[]): Promise<void> {
  const { exitCode } = await $`${argv}`.cwd(root).nothrow();
  if (exitCode !== 0) throw new Error(`${path.basename(argv[0] ?? "")} found something: see above`);
}

/** Runs vitest on this very Bun; gives what it counted. `as` runs it as another account, in a copy that one can read. */
async function vitest(paths: readonly string[], as?: string): Promise<Counts> {
  const report = path.join(scratch, `report-${as ?? "self"}.json`);
  const dir = as === undefined ? root : await copyFor(as);
  const engines = `RUNCODE_TEST_ENGINES=${process.env["RUNCODE_TEST_USER_ENGINES"] ?? ""}`;
  const become = as === undefined ? [] : ["runuser", "-u", as, "--", "env", `HOME=${dir}`, engines];
  const argv = [
    ...become,
    process.execPath,
    "--bun",
    path.join(dir, "node_modules/vitest/vitest.mjs"),
    "run",
    ...paths,
  ];
  const { exitCode } = await $`${argv} --reporter=default --reporter=json --outputFile.json=${report}`
    .cwd(dir)
    .nothrow();
  const { numPassedTests, numFailedTests, numPendingTests, numTotalTests } = JSON.parse(
    await readFile(report, "utf8"),
  ) as Record<string, number>;
  const counts = { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0, skipped: numPendingTests ?? 0 };
  // A file that cannot even be loaded counts no test; it must not count as success.
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  if ((numTotalTests ?? 0) === 0) counts.failed = Math.max(counts.failed, 1);
  return counts;
}

async function copyFor(user: string): Promise<string> {
  const dir = path.join(scratch, "copy");
  await chmod(scratch, 0o755);
  for (const name of [
    "package.json",
    "tsconfig.json",
    "vitest.config.ts",
    "bin",
    "src",
    "test",
    "scripts",
    "dist",
    "node_modules",
  ]) {
    await cp(path.join(root, name), path.join(dir, name), { recursive: true, verbatimSymlinks: true });
  }
  await $`chown -R ${user} ${dir} ${scratch}`;
  return dir;
}

/**
 * Brings up engines that are the tests' own, where none are named and this machine has all that they take; the containers of an
 * engine that is here already are somebody's. Gives what ends them.
 */
async function ownEngines(): Promise<() => Promise<unknown>> {
  const script = path.join(root, "scripts/engines.sh");
  const missing = ["curl", "busybox", "debootstrap"].filter((program) => Bun.which(program) === null);
  const none = !["podman", "dockerd"].some((program) => Bun.which(program) !== null);
  if (process.getuid?.() !== 0 || none || missing.length > 0) {
    const why = none ? "neither podman nor dockerd" : missing.length > 0 ? `no ${missing.join(", ")}` : "not root";
    console.log(`   none (${why}): what needs one skips`);
    return async () => {};
  }
  // Short: sockets are in it.
  const dir = await mkdtemp(path.join(os.tmpdir(), "rc-engines-"));
  const down = async (): Promise<unknown> => await $`${script} down ${dir}`.nothrow();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void down().then(() => process.exit(1)));
  const up = await $`${script} up ${dir} ${process.env["RUNCODE_TEST_USER"] ?? []}`.nothrow();
  if (up.exitCode !== 0) {
    await down();
    throw new Error("the engines did not come up: see above");
  }
  for (const [, name = "", value] of up.stdout.toString().matchAll(/^export (\w+)=(.*)$/gm)) process.env[name] = value;
  return down;
}

let engines: () => Promise<unknown> = async () => {};
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const add = (counts: Counts): void => {
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
};

try {
  await step("format", () => check(bin("prettier"), "--check", "--log-level=warn", "."));
  await step("lint", () => check(bin("oxlint"), "--type-aware", "--deny-warnings"));
  await step("types", async () => {
    await check(bin("tsc"), "--noEmit");
    // What runs in the browser has the browser's types.
    await check(bin("tsc"), "--noEmit", "-p", "src/server/web/client");
    await check(bin("tsc"), "--noEmit", "-p", "test/web");
  });
  await step("build", build);
  if (filters.length === 0 && process.env["RUNCODE_TEST_ENGINES"] === undefined)
    await step("engines", async () => void (engines = await ownEngines()));
  await step("tests", async () => add(await vitest(filters)));
  const user = process.env["RUNCODE_TEST_USER"];
  if (user && process.getuid?.() === 0 && filters.length === 0) {
    await step(`conformance as ${user}`, async () => add(await vitest(["test/conformance"], user)));
  }
} catch (error) {
  total.failed += 1;
  console.error(error instanceof Error ? error.message : error);
} finally {
  await engines();
  await rm(scratch, { recursive: true, force: true });
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
