// Builds dist/runcode: one executable that holds the client, the server and the pages the server shows.
import { $ } from "bun";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { EMBEDDED_ENDING } from "../src/server/web/assets.ts";
import { bundleAssets } from "../src/server/web/bundle.ts";

const root = path.dirname(import.meta.dir);
const out = path.join(root, "dist", process.platform === "win32" ? "runcode.exe" : "runcode");
const pages = path.join(root, "dist", `pages.${process.pid}`);
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
    // The pages' styles and scripts ride along as they are; src/server/web/assets.ts finds them by name.
    `--loader=${EMBEDDED_ENDING}:file`,
    "--asset-naming=[name].[ext]",
  ];
  try {
    await mkdir(pages, { recursive: true });
    const assets: string[] = [];
    for (const [name, body] of await bundleAssets()) {
      assets.push(path.join(pages, name + EMBEDDED_ENDING));
      await writeFile(assets.at(-1) as string, body);
    }
    await $`${process.execPath} build ${flags} bin/runcode.ts ${assets} --outfile ${fresh}`.cwd(root).quiet();
    await rename(fresh, out);
  } finally {
    await rm(fresh, { force: true });
    await rm(pages, { recursive: true, force: true });
  }
  return out;
}

if (import.meta.main) {
  const started = performance.now();
  const file = await build();
  console.log(`built ${path.relative(root, file)} in ${Math.round(performance.now() - started)} ms`);
}
