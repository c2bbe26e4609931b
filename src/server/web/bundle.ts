// Makes the pages' styles and scripts out of client/: when the program is built, and when it runs from source.
import { readFile } from "node:fs/promises";
import path from "node:path";

const client = path.join(import.meta.dirname, "client");

/** Gives every asset's bytes by its name; throws Bun's AggregateError for a source that does not build. */
export async function bundleAssets(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { outputs } = await Bun.build({
    entrypoints: ["page.ts", "terminal.ts", "page.css", "terminal.css"].map((file) => path.join(client, file)),
    target: "browser",
    minify: true,
    naming: "[name].[ext]",
  });
  const bodies = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const output of outputs) {
    bodies.set(path.basename(output.path), new Uint8Array(await output.arrayBuffer()));
  }
  bodies.set("icon.svg", new Uint8Array(await readFile(path.join(client, "icon.svg"))));
  return bodies;
}
