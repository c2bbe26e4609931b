// The runtime client as npm gets it: one file of JavaScript that imports nothing, for Node.js, Bun, browsers and bundlers, and
// the declarations of what it exports.
import { $ } from "bun";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Entry } from "./archives.ts";

const root = path.resolve(import.meta.dirname, "../..");
const FOLDER = "runtime-client";

/** What the package's manifest says of it. */
export const CLIENT_EXPORTS = {
  "./runtime-client": { types: `./${FOLDER}/runtime-client/index.d.ts`, default: `./${FOLDER}/index.js` },
};

/** Gives the files, by their names in the package. Throws what the bundler or the compiler says. */
export async function clientFiles(): Promise<Entry[]> {
  const built = await Bun.build({
    entrypoints: [path.join(root, "src/runtime-client/index.ts")],
    target: "browser",
    format: "esm",
  });
  const [script] = built.outputs;
  if (!script) throw new Error("the bundler gave no runtime client");
  return [
    { name: `${FOLDER}/index.js`, body: Buffer.from(await script.arrayBuffer()) },
    ...(await declarations()).map((entry) => ({ ...entry, name: `${FOLDER}/${entry.name}` })),
  ];
}

/** The declarations of the entry and of all that it names, so that no schema library is among them. */
async function declarations(): Promise<Entry[]> {
  const out = await mkdtemp(path.join(os.tmpdir(), "runcode-types-"));
  try {
    const how = [
      ...["--ignoreConfig", "--declaration", "--emitDeclarationOnly", "--strict", "--exactOptionalPropertyTypes"],
      ...["--outDir", out, "--rootDir", "src", "--target", "esnext", "--module", "preserve"],
      ...["--moduleResolution", "bundler", "--allowImportingTsExtensions", "--lib", "esnext,dom", "--types", ""],
    ];
    const tsc = path.join(root, "node_modules/typescript/bin/tsc");
    const { exitCode, stdout } = await $`${process.execPath} ${tsc} ${how} src/runtime-client/index.ts`
      .cwd(root)
      .nothrow()
      .quiet();
    if (exitCode !== 0) throw new Error(`no declarations of the runtime client: ${stdout.toString()}`);
    const files = new Map<string, string>();
    const take = async (name: string): Promise<void> => {
      if (files.has(name)) return;
      const text = await readFile(path.join(out, name), "utf8");
      files.set(name, text.replace(/(from ")(\.[^"]+)\.ts(";)/g, "$1$2.js$3"));
      for (const [, from = ""] of text.matchAll(/from "([^"]+)"/g)) {
        if (!from.startsWith(".")) throw new Error(`the runtime client's declarations would need ${from}`);
        await take(path.posix.join(path.posix.dirname(name), from.replace(/\.ts$/, ".d.ts")));
      }
    };
    await take("runtime-client/index.d.ts");
    return [...files].map(([name, text]) => ({ name, body: Buffer.from(text) }));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
