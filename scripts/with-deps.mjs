// Entry of every npm script: installs the locked dependencies when they are missing, then hands over to the
// pinned Bun. Plain Node, no imports of ours, because it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => path.join(root, ...parts);

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) console.error(`${command}: ${error.message}`);
  if (signal) process.kill(process.pid, signal);
  return status ?? 1;
}

// npm writes this marker last, so an interrupted install counts as missing; a lock file newer than it, as stale.
const marker = inRoot("node_modules", ".package-lock.json");
const stale = !existsSync(marker) || statSync(inRoot("package-lock.json")).mtimeMs > statSync(marker).mtimeMs;
if (stale) {
  console.error("installing dependencies (npm ci)");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const status = run(npm, ["ci", "--no-audit", "--no-fund"]);
  if (status !== 0) process.exit(status);
}

// npm may have been told to run no install scripts; then the runtime still lies in the platform's own package.
const exe = process.platform === "win32" ? "bun.exe" : "bun";
const os = process.platform === "win32" ? "windows" : process.platform;
const candidates = [
  inRoot("node_modules", "bun", "bin", "bun.exe"),
  ...[`bun-${os}-${process.arch === "arm64" ? "aarch64" : process.arch}`, `bun-${os}-${process.arch}-baseline`].map(
    (name) => inRoot("node_modules", "@oven", name, "bin", exe),
  ),
];
const bun = candidates.find((file) => existsSync(file) && statSync(file).size > 1_000_000);
if (!bun) {
  console.error("the pinned Bun is not installed: run `npm ci`, then try again");
  process.exit(1);
}
const [tool, ...args] = process.argv.slice(2);
if (tool !== "bun") throw new Error(`with-deps runs bun, not ${tool}`);
process.env.RUNCODE_BUN = bun;
process.exit(run(bun, args));
