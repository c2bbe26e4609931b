// Styles and scripts of the pages, under addresses that hold a hash of what is in them: a browser keeps one for ever and
// never sees an old one. The built program carries them inside itself (scripts/build.ts puts them there); run from source,
// they are bundled when the first page asks. Neither costs anything before that.
import { createHash } from "node:crypto";

export const ASSETS = {
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "terminal.css": "text/css; charset=utf-8",
  "terminal.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;
export type AssetName = keyof typeof ASSETS;
const ASSET_NAMES = Object.keys(ASSETS) as AssetName[];

/** Where they are served. */
export const ASSETS_PATH = "/assets";
/** In the built program each has this ending, for which Bun's bundler is told to leave the file alone. */
export const EMBEDDED_ENDING = ".asset";

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

export interface Assets {
  /** The address of one, as a page writes it. */
  readonly url: (name: AssetName) => string;
  /** Takes the last part of such an address; gives the asset, or null. */
  readonly find: (file: string) => Asset | null;
}

let loaded: Promise<Assets> | undefined;

/** Gives all of them; they are read once. */
export function loadAssets(): Promise<Assets> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Assets> {
  const bodies = (await embedded()) ?? (await (await import("./bundle.ts")).bundleAssets());
  const urls = new Map<AssetName, string>();
  const files = new Map<string, Asset>();
  for (const name of ASSET_NAMES) {
    const body = bodies.get(name);
    if (!body) throw new Error(`this build lacks ${name}`);
    const hash = createHash("sha256").update(body).digest("base64url").slice(0, 12);
    const file = name.replace(".", `.${hash}.`);
    urls.set(name, `${ASSETS_PATH}/${file}`);
    files.set(file, { type: ASSETS[name], body, gzipped: Bun.gzipSync(body) });
  }
  return {
    url: (name) => urls.get(name) as string,
    find: (file) => files.get(file) ?? null,
  };
}

async function embedded(): Promise<Map<string, Uint8Array<ArrayBuffer>> | null> {
  const bodies = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of Bun.embeddedFiles as (Blob & { name: string })[]) {
    if (!file.name.endsWith(EMBEDDED_ENDING)) continue;
    bodies.set(file.name.slice(0, -EMBEDDED_ENDING.length), new Uint8Array(await file.arrayBuffer()));
  }
  return bodies.size === 0 ? null : bodies;
}
