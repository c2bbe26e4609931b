// The Docker context that is in use: DOCKER_CONTEXT, else what `docker context use` left in config.json. The files are those
// of Docker's command line (~/.docker/contexts), each context in a folder named for the SHA-256 of its name.
import { createHash } from "node:crypto";
import path from "node:path";
import * as v from "valibot";
import { readIfThere } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { dockerConfigDir, readTls, type TlsMaterial } from "./tls.ts";

export interface EngineContext {
  readonly name: string;
  readonly host: string;
  /** Null where the address itself says all: a Unix socket, ssh, plain TCP. */
  readonly tls: TlsMaterial | null;
}

const Config = v.object({ currentContext: v.optional(v.string()) });
const Meta = v.object({
  Endpoints: v.object({ docker: v.object({ Host: v.string(), SkipTLSVerify: v.optional(v.boolean()) }) }),
});

/** Gives the context in use, or null where that is Docker's default one. Throws RuncodeError `config_invalid` for one that is not there. */
export async function contextOf(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): Promise<EngineContext | null> {
  const dir = dockerConfigDir(env, home);
  const config = v.safeParse(Config, await json(path.join(dir, "config.json")));
  const name = env["DOCKER_CONTEXT"] || (config.success ? config.output.currentContext : undefined) || "default";
  if (name === "default") return null;
  const id = createHash("sha256").update(name).digest("hex");
  const meta = v.safeParse(Meta, await json(path.join(dir, "contexts/meta", id, "meta.json")));
  const invalid = (why: string, hint: string): RuncodeError =>
    new RuncodeError("config_invalid", `the Docker context ${JSON.stringify(name)} ${why}`, { hint });
  if (!meta.success) throw invalid("is not there, or names no engine", "choose one of `docker context ls`");
  const { Host: host, SkipTLSVerify: unverified } = meta.output.Endpoints.docker;
  if (unverified)
    throw invalid("switches the verification of certificates off", "give it the engine's authority (ca.pem)");
  const tls = await readTls(path.join(dir, "contexts/tls", id, "docker"));
  return { name, host, tls: Object.keys(tls).length > 0 ? tls : null };
}

/** The file's content, or null where there is none or it is no JSON: Docker's own command line then goes on without it as well. */
async function json(file: string): Promise<unknown> {
  const text = await readIfThere(file);
  try {
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}
