// The real token store: the flag, the environment, the system's keychain, a file. A token is filed under the control plane
// it was given for, and no other ever sees it.
//
// The public service's token file is `token`, as its other clients have it; every other control plane has a file of its own in
// `tokens/`, named by its host and a digest of the whole base.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "./digest.ts";
import { DEFAULT_API_BASE } from "../protocol/constants.ts";
import { ensurePrivateDir, ioError, readIfThere, replaceFile } from "./files.ts";
import type { Keychain } from "./keychain.ts";
import type { TokenStore } from "./tokens.ts";

export interface TokenSources {
  /** `$XDG_CONFIG_HOME/runcode` */
  readonly configDir: string;
  readonly flag: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Null where there is none, or none is wanted. */
  readonly keychain: Keychain | null;
}

/** Reads and writes nothing until asked. */
export function tokenStore({ configDir, flag, env, keychain }: TokenSources): TokenStore {
  const fileOf = (apiBase: string): string => path.join(configDir, tokenFile(apiBase));
  return {
    async get(apiBase) {
      if (flag !== undefined) return { token: flag, from: "flag" };
      const given = env["RUNCODE_TOKEN"];
      if (given) return { token: given, from: "environment" };
      const kept = (await keychain?.get(apiBase)) ?? null;
      if (kept) return { token: kept, from: "keychain" };
      const token = (await readIfThere(fileOf(apiBase)))?.trim();
      return token ? { token, from: "file" } : null;
    },
    async set(apiBase, token, { insecure }) {
      if (!insecure && keychain && (await keychain.set(apiBase, token))) {
        await removeFile(fileOf(apiBase));
        return "keychain";
      }
      // One that stayed in the keychain would win over the file.
      await keychain?.remove(apiBase);
      await ensurePrivateDir(path.dirname(fileOf(apiBase)));
      await replaceFile(fileOf(apiBase), `${token}\n`);
      return "file";
    },
    async remove(apiBase) {
      const removed: ("keychain" | "file")[] = [];
      if (await keychain?.remove(apiBase)) removed.push("keychain");
      if (await removeFile(fileOf(apiBase))) removed.push("file");
      return removed;
    },
  };
}

function tokenFile(apiBase: string): string {
  if (apiBase === DEFAULT_API_BASE) return "token";
  const host = new URL(apiBase).host.replace(/[^A-Za-z0-9.-]+/g, "_");
  const digest = sha256(apiBase).slice(0, 12);
  return path.join("tokens", `${host.slice(0, 100)}-${digest}`);
}

async function removeFile(file: string): Promise<boolean> {
  const there = existsSync(file);
  await rm(file, { force: true }).catch((error: unknown) => {
    throw ioError(`cannot remove ${file}`, error);
  });
  return there;
}
