// The npm packages whose code is really in the program: what Bun's bundler says that it read, for the program and for the
// scripts of the pages it serves.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

const root = path.resolve(import.meta.dir, "../..");

export interface Bundled {
  readonly name: string;
  /** Its folder, which is also its key in package-lock.json: one package may lie in another's. */
  readonly where: string;
  readonly version: string;
  readonly license: string;
  /** The licence as its authors ship it, or as its name says it. */
  readonly text: string;
}

/** Takes the metafile of the program's build; gives the packages by name. Throws for one without a licence. */
export async function bundledPackages(metafile: string): Promise<Bundled[]> {
  const { inputs } = JSON.parse(await readFile(metafile, "utf8")) as { inputs: Record<string, unknown> };
  const read = [...Object.keys(inputs), ...(await pageInputs())];
  const folders = read.flatMap(
    (file) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? [],
  );
  return Promise.all([...new Set(folders)].sort().map(describe));
}

async function pageInputs(): Promise<string[]> {
  const client = path.join(root, "src/server/web/client");
  const sources = (await readdir(client)).filter((file) => /\.(ts|css)$/.test(file) && !file.endsWith(".d.ts"));
  const { metafile } = await Bun.build({
    entrypoints: sources.map((file) => path.join(client, file)),
    target: "browser",
    metafile: true,
  });
  return Object.keys(metafile?.inputs ?? {});
}

async function describe(where: string): Promise<Bundled> {
  const dir = path.join(root, where);
  const manifest = JSON.parse(await readFile(path.join(dir, "package.json"), "utf8")) as {
    name: string;
    version: string;
    license?: string;
    licenses?: { type: string }[];
    author?: string | { name: string };
  };
  const license = manifest.license ?? manifest.licenses?.map(({ type }) => type).join(" OR ");
  const file = (await readdir(dir)).find((each) => /^(licen[cs]e|copying)/i.test(each));
  const author = typeof manifest.author === "object" ? manifest.author.name : manifest.author;
  const text = file === undefined ? standardText(license, author) : await readFile(path.join(dir, file), "utf8");
  if (!license || text === null) throw new Error(`${where} ships no licence: it may not go into the program`);
  return {
    name: manifest.name,
    where,
    version: manifest.version,
    license,
    text,
  };
}

/** What a licence says whose name and author stand in the manifest and whose text the package leaves out; null for all others. */
function standardText(license: string | undefined, author: string | undefined): string | null {
  if (license !== "ISC" || !author) return null;
  return `Copyright (c) ${author}

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that
the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY
DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION,
ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.`;
}

/** The third-party licence file. */
export function licenceFile(packages: readonly Bundled[]): string {
  const rule = "-".repeat(78);
  return [
    "runcode contains the work of others. Its own licence is in LICENSE.\n",
    `Bun ${Bun.version} is the runtime, under the MIT licence, copyright Jarred Sumner and contributors. It is linked with
JavaScriptCore and other parts of WebKit (LGPL 2), which may be exchanged by building Bun from its sources, and with
further libraries; https://bun.com/docs/project/license names each with its licence and says how to relink.\n`,
    ...packages.map(
      ({ name, version, license, text }) => `${rule}\n${name} ${version} (${license})\n\n${text.trim()}\n`,
    ),
  ].join("\n");
}
