// What `serve` was asked for, checked once and complete: addresses, the certificate, and what may be reached from where.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { DRIVERS } from "../sandboxes/index.ts";
import type { Flavors } from "../workspaces/flavors.ts";
import { isLoopback, isWildcard, parseAddress, type Address } from "./address.ts";
import { checkEngine, engineWords, type EngineConfig, type EngineFlags } from "./engine.ts";
import { flavorsIn } from "./flavors.ts";
import { checkRuntimeApi, runtimeApiWords, type RuntimeApiConfig, type RuntimeApiFlags } from "./runtime-api.ts";

export { isLoopback, isWildcard, urlHost, type Address } from "./address.ts";

/** As it was said on the command line. */
export interface ServeFlags extends EngineFlags, RuntimeApiFlags {
  readonly dataDir: string;
  readonly http?: string | undefined;
  readonly ssh?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly sshPublic?: string | undefined;
  readonly driver?: string | undefined;
  readonly flavors?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly behindProxy?: boolean;
}

export interface ServeConfig {
  /** Absolute. */
  readonly dataDir: string;
  readonly http: Address;
  readonly ssh: Address;
  /** An origin, when it is not the HTTP listener's own. */
  readonly publicUrl: string | null;
  /** Where clients reach the gateway, when it is not the SSH listener's own address. */
  readonly sshPublic: Address | null;
  /** The default first; none means the most isolated one that works. */
  readonly drivers: readonly string[];
  /** What a workspace may be made of. */
  readonly flavors: Flavors;
  /** What the docker driver is told; of no matter where it is not used. */
  readonly engine: EngineConfig;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly behindProxy: boolean;
  /** Null where none is served. */
  readonly runtimeApi: RuntimeApiConfig | null;
}

const DEFAULT_HTTP = "127.0.0.1:7070";
const DEFAULT_SSH = "127.0.0.1:7022";

/** Throws RuncodeError `usage`, `io` for a file that cannot be read, `insecure_base`, and `config_invalid` for flavors and the runtime API's key. */
export async function checkFlags(
  flags: ServeFlags,
  cwd: string,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<ServeConfig> {
  const http = parseAddress(flags.http ?? DEFAULT_HTTP, "--http", 0);
  const ssh = parseAddress(flags.ssh ?? DEFAULT_SSH, "--ssh", 0);
  const behindProxy = flags.behindProxy ?? false;
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw new RuncodeError("usage", "--tls-cert and --tls-key go together");
  }
  if (!isLoopback(http.host) && flags.tlsCert === undefined && !behindProxy) {
    throw new RuncodeError("insecure_base", `tokens would cross the network in the clear on ${flags.http}`, {
      hint: "give --tls-cert and --tls-key, or --behind-proxy when a proxy in front of it ends TLS",
    });
  }
  const publicUrl = flags.publicUrl === undefined ? null : parsePublicUrl(flags.publicUrl);
  if (isWildcard(http.host) && publicUrl === null) {
    throw new RuncodeError("usage", "listening on every address needs --public-url", {
      hint: "say how people reach it, such as --public-url https://runcode.example.org",
    });
  }
  const file = (name: string): string => path.resolve(cwd, name);
  const { tlsCert, tlsKey } = flags;
  return {
    dataDir: path.resolve(cwd, flags.dataDir),
    http,
    ssh,
    publicUrl,
    sshPublic: flags.sshPublic === undefined ? null : parseAddress(flags.sshPublic, "--ssh-public", 1),
    drivers: flags.driver === undefined ? [] : parseDrivers(flags.driver),
    flavors: await flavorsIn(flags.flavors === undefined ? null : file(flags.flavors)),
    engine: await checkEngine(flags, cwd),
    tls:
      tlsCert === undefined || tlsKey === undefined
        ? null
        : { cert: await read(file(tlsCert)), key: await read(file(tlsKey)) },
    behindProxy,
    runtimeApi: await checkRuntimeApi(flags, env, cwd),
  };
}

function parseDrivers(text: string): string[] {
  const names = text.split(",");
  const unknown = names.find((name) => !(DRIVERS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new RuncodeError("usage", `there is no driver ${JSON.stringify(unknown)}`, {
      hint: `choose one of: ${DRIVERS.join(", ")}; or several with commas between them, the default first`,
    });
  }
  return [...new Set(names)];
}

function parsePublicUrl(text: string): string {
  const url = URL.parse(text);
  const plain = url !== null && url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (!plain || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new RuncodeError("usage", "--public-url takes an origin, such as https://runcode.example.org");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
    throw new RuncodeError("insecure_base", `clients refuse ${url.origin}: it is plain http`, { hint: "use https" });
  }
  return url.origin;
}

function read(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw ioError(`cannot read ${file}`, error);
  });
}

/** The words that start the same server again from any directory; none of them is secret. */
export function serveWords(config: ServeConfig, flags: ServeFlags, cwd: string): string[] {
  const words = ["serve", "--data-dir", config.dataDir];
  const add = (flag: string, value: string | null | undefined): void => {
    if (value !== null && value !== undefined) words.push(flag, value);
  };
  add("--http", flags.http);
  add("--ssh", flags.ssh);
  add("--public-url", flags.publicUrl);
  add("--ssh-public", flags.sshPublic);
  add("--driver", flags.driver);
  add("--flavors", flags.flavors && path.resolve(cwd, flags.flavors));
  words.push(...engineWords(config.engine));
  add("--tls-cert", flags.tlsCert && path.resolve(cwd, flags.tlsCert));
  add("--tls-key", flags.tlsKey && path.resolve(cwd, flags.tlsKey));
  if (config.behindProxy) words.push("--behind-proxy");
  return [...words, ...runtimeApiWords(flags, config.runtimeApi, cwd)];
}
