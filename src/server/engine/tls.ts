// The certificates for an engine behind TLS, from a directory as Docker's command line keeps one.
import path from "node:path";
import { readIfThere } from "../../platform/files.ts";

export interface TlsMaterial {
  /** PEM, as read; absent where the system's own authorities are to be trusted, or no certificate of ours is asked for. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * DOCKER_TLS_VERIFY switches it on, DOCKER_CERT_PATH says where the files are, which is else the directory of Docker's own
 * configuration; null means that it is off. Throws RuncodeError `io`.
 */
export async function tlsOfEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): Promise<TlsMaterial | null> {
  if (!env["DOCKER_TLS_VERIFY"]) return null;
  return await readTls(env["DOCKER_CERT_PATH"] || dockerConfigDir(env, home));
}

/** Where Docker's command line keeps what is its user's. */
export function dockerConfigDir(env: Readonly<Record<string, string | undefined>>, home: string): string {
  return env["DOCKER_CONFIG"] || path.join(home, ".docker");
}

/** Takes a directory with ca.pem, cert.pem and key.pem, each of which may be missing. Throws RuncodeError `io`. */
export async function readTls(dir: string): Promise<TlsMaterial> {
  const read = async (name: string): Promise<string | null> => await readIfThere(path.join(dir, name));
  const [ca, cert, key] = await Promise.all([read("ca.pem"), read("cert.pem"), read("key.pem")]);
  return { ...(ca === null ? {} : { ca }), ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) };
}
