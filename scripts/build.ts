// Builds dist/runcode: one executable that holds the client, the server and the pages the server shows. The release
// (scripts/release) compiles the same way for other platforms.
import { $ } from "bun";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { EMBEDDED_ENDING } from "../src/server/web/assets.ts";
import { bundleAssets } from "../src/server/web/bundle.ts";

const root = path.dirname(import.meta.dir);
const out = path.join(root, "dist", process.platform === "win32" ? "runcode.exe" : "runcode");

/** Compiles bin/runcode.ts to dist/runcode; gives its path. */
export async function build(): Promise<string> {
  await compile(out);
  return out;
}

/**
 * Compiles to `file` with flags for Bun's bundler added, and swaps the result in by rename, so a running binary is never
 * overwritten. The same sources give the same bytes, wherever they lie.
 */
export async function compile(file: string, more: readonly string[] = []): Promise<void> {
  const flags = [
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "--splitting",
    // Without these a compiled program loads ./.env and the preload of ./bunfig.toml wherever it is started; the last two are
    // off by default, and said so that they stay off.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-tsconfig",
    "--no-compile-autoload-package-json",
    // ssh2's native helpers are optional, not built here, and never to be picked up from a machine that happens to have them. What asks
    // for one is part of the program, and asks by a path: a name would be looked for in the folder where the program is started.
    "--external=*/cpufeatures.node",
    "--external=*/sshcrypto.node",
    // ssh2 looks for files beside its sources, which would write this folder's path into the program; there are none to find.
    '--define=__dirname="/"',
    '--define=__filename="/ssh2.js"',
    // The pages' styles and scripts ride along as they are; src/server/web/assets.ts finds them by name.
    `--loader=${EMBEDDED_ENDING}:file`,
    "--asset-naming=[name].[ext]",
  ];
  await mkdir(path.dirname(file), { recursive: true });
  const work = path.join(root, "dist", `.build.${process.pid}.${path.basename(file)}`);
  // The name is written into the program, so it must not differ from one build to the next.
  const fresh = path.join(work, file.endsWith(".exe") ? "runcode.exe" : "runcode");
  try {
    await mkdir(work, { recursive: true });
    const assets = await placeAssets(work);
    await $`${process.execPath} build ${flags} ${more} bin/runcode.ts ${assets} --outfile ${fresh}`.cwd(root).quiet();
    await rename(fresh, file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Where the pages' assets lie is written into the program too: always in dist/pages, replaced by rename for a build beside this one. */
async function placeAssets(work: string): Promise<string[]> {
  const pages = path.join(root, "dist", "pages");
  await mkdir(pages, { recursive: true });
  const assets: string[] = [];
  for (const [name, body] of await bundleAssets()) {
    const file = path.join(pages, name + EMBEDDED_ENDING);
    await writeFile(path.join(work, name), body);
    await rename(path.join(work, name), file);
    assets.push(file);
  }
  return assets.sort();
}

if (import.meta.main) {
  const started = performance.now();
  const file = await build();
  console.log(`built ${path.relative(root, file)} in ${Math.round(performance.now() - started)} ms`);
}
