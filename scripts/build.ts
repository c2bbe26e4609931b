// Builds dist/runcode: one executable that holds the client, the server and the pages the server shows.
import { $ } from "bun";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";

const root = path.dirname(import.meta.dir);
const out = path.join(root, "dist", process.platform === "win32" ? "runcode.exe" : "runcode");
const fresh = `${out}.${process.pid}.new`;

/** Compiles bin/runcode.ts to dist/runcode and swaps it in by rename, so a running binary is never overwritten. */
export async function build(): Promise<string> {
  await mkdir(path.dirname(out), { recursive: true });
  // Without the last two flags a compiled program loads ./.env and the preload of ./bunfig.toml wherever it is started.
  const flags = [
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "--splitting",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    // ssh2's native helpers are optional, not installed here, and never to be picked up from a machine that happens to have them.
    "--external=cpu-features",
    "--external=*/sshcrypto.node",
  ];
  try {
    await $`${process.execPath} build ${flags} bin/runcode.ts --outfile ${fresh}`.cwd(root).quiet();
    await rename(fresh, out);
  } finally {
    await rm(fresh, { force: true });
  }
  return out;
}

if (import.meta.main) {
  const started = performance.now();
  const file = await build();
  console.log(`built ${path.relative(root, file)} in ${Math.round(performance.now() - started)} ms`);
}
