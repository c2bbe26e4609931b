// What `serve --runtime-api` was asked for, checked once and complete: the address, the key, and what its callers may mount.
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { RUNTIME_API_HOST, RUNTIME_API_PORT } from "../../protocol/runtime-api.ts";
import { isLoopback, parseAddress, urlHost, type Address } from "./address.ts";

export interface RuntimeApiFlags {
  /** "" where the flag stands without an address. */
  readonly runtimeApi?: string | undefined;
  readonly runtimeApiHosted?: boolean;
  readonly runtimeKeyFile?: string | undefined;
  readonly runtimeVolumes?: readonly string[];
}

export interface RuntimeApiConfig {
  readonly address: Address;
  readonly flavor: "public" | "hosted";
  readonly key: string | null;
  /** Absolute; directories of this machine below which a caller may mount. */
  readonly volumes: readonly string[];
}

/** A key is a secret that nobody shall guess; this is as short as one that was made by a machine ever is. */
const KEY = /^[\u0021-\u007e]{16,4096}$/;

/** Gives null where no runtime API was asked for. Throws RuncodeError `usage`, `insecure_base`, `config_invalid`, `io`. */
export async function checkRuntimeApi(
  flags: RuntimeApiFlags,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<RuntimeApiConfig | null> {
  const { runtimeApi, runtimeApiHosted = false, runtimeKeyFile, runtimeVolumes = [] } = flags;
  if (runtimeApi === undefined) {
    if (!runtimeApiHosted && runtimeKeyFile === undefined && runtimeVolumes.length === 0) return null;
    throw new RuncodeError(
      "usage",
      "--runtime-api-hosted, --runtime-key-file and --runtime-volumes go with --runtime-api",
    );
  }
  const address = runtimeApi === "" ? addressIn(env) : parseAddress(runtimeApi, "--runtime-api", 0);
  const key =
    runtimeKeyFile === undefined ? env["RUNCODE_RUNTIME_KEY"] || null : await keyIn(path.resolve(cwd, runtimeKeyFile));
  if (key !== null && !KEY.test(key)) {
    throw new RuncodeError("config_invalid", "the runtime API's key has spaces in it, or fewer than 16 characters", {
      hint: "make one: openssl rand -hex 32",
    });
  }
  if (key === null && !isLoopback(address.host)) {
    throw new RuncodeError(
      "insecure_base",
      `whoever reaches ${urlHost(address.host)}:${address.port} could run anything on this machine`,
      {
        hint: "set a key, in RUNCODE_RUNTIME_KEY or with --runtime-key-file, or listen on 127.0.0.1",
      },
    );
  }
  return {
    address,
    flavor: runtimeApiHosted ? "hosted" : "public",
    key,
    volumes: await Promise.all(runtimeVolumes.map((dir) => directory(path.resolve(cwd, dir)))),
  };
}

/** As the original reads it. */
function addressIn(env: Readonly<Record<string, string | undefined>>): Address {
  const host = env["RUNTIME_SERVER_HOST"] || RUNTIME_API_HOST;
  const port = env["RUNTIME_SERVER_PORT"] || String(RUNTIME_API_PORT);
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new RuncodeError("usage", `RUNTIME_SERVER_PORT is no port: ${JSON.stringify(port.slice(0, 100))}`);
  return parseAddress(`${bracketed(host)}:${port}`, "RUNTIME_SERVER_HOST", 0);
}

const bracketed = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);

async function keyIn(file: string): Promise<string> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new RuncodeError("config_invalid", `others can read ${file}`, { hint: `chmod 600 ${file}` });
    }
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw ioError(`cannot read ${file}`, error);
  }
}

async function directory(dir: string): Promise<string> {
  const there = await stat(dir).catch(() => null);
  if (!there?.isDirectory()) throw new RuncodeError("usage", `--runtime-volumes: ${dir} is no directory`);
  return dir;
}

/** The words that ask for the same again from any directory; the key is in none of them. */
export function runtimeApiWords(flags: RuntimeApiFlags, config: RuntimeApiConfig | null, cwd: string): string[] {
  if (!config) return [];
  const { address, flavor, volumes } = config;
  return [
    `--runtime-api=${urlHost(address.host)}:${address.port}`,
    ...(flavor === "hosted" ? ["--runtime-api-hosted"] : []),
    ...(flags.runtimeKeyFile === undefined ? [] : ["--runtime-key-file", path.resolve(cwd, flags.runtimeKeyFile)]),
    ...volumes.flatMap((dir) => ["--runtime-volumes", dir]),
  ];
}
