// Making a session: a key of this moment, the control plane's answer to its public half, and the files that come of both.
import path from "node:path";
import type { ControlPlane } from "../api/control-plane.ts";
import type { Clock } from "../platform/clock.ts";
import { chooseControlPath } from "../ssh/control-path.ts";
import { sessionConfig, sshAlias } from "../ssh/config.ts";
import { readSession, writeSession, type CacheOwner, type SessionFacts } from "./cache.ts";
import { fingerprint, generateKey } from "./keys.ts";
import type { Session } from "./session.ts";
import { validateBundle } from "./validate.ts";
import { RuncodeError } from "../protocol/errors.ts";

export interface MintSource extends CacheOwner {
  readonly workspaceId: number;
  readonly dir: string;
  readonly runtimeDir: string | undefined;
  readonly apiBase: string;
  readonly clock: Clock;
  readonly api: ControlPlane;
}

export interface MintOptions {
  /** Seconds to ask for. */
  readonly ttl: number;
  readonly signal?: AbortSignal;
  /** Called once the answer was found good and before the first byte is written. */
  readonly beforeWrite: () => Promise<void>;
}

/**
 * Mints a session and writes its files. The caller holds the workspace's lock. Nothing is written, and what is in the cache
 * stands, unless the whole bundle was found good. Throws what the control plane answered, `unsafe_bundle`, `config_invalid`, `io`.
 */
export async function mintSession(source: MintSource, options: MintOptions): Promise<Session> {
  const { platform, clock, dir } = source;
  const key = await generateKey("runcode");
  const { bundle, serverTime } = await source.api.mint(
    source.workspaceId,
    { publicKey: key.publicLine, ttl: options.ttl },
    options.signal,
  );
  const mintedAt = clock.now();
  const safe = validateBundle(bundle, { publicKey: key.blob, now: mintedAt, serverTime });
  const identity = [fingerprint(key.blob), safe.host, safe.port, safe.user, source.apiBase].join("\n");
  const withoutMaster = platform === "win32" || source.uid === null;
  const controlPath = withoutMaster
    ? null
    : await chooseControlPath({ dir, identity, runtimeDir: source.runtimeDir, uid: source.uid });
  const certificateFile = safe.certificate === null ? null : path.join(dir, "id_ed25519-cert.pub");
  const config = sessionConfig(
    {
      alias: sshAlias(safe.user),
      host: safe.host,
      port: safe.port,
      user: safe.user,
      controlPath,
      identityFile: path.join(dir, "id_ed25519"),
      certificateFile,
      knownHostsFile: path.join(dir, "known_hosts"),
      persistSeconds: (safe.expiresAt - mintedAt) / 1000,
    },
    platform,
  );
  const facts: SessionFacts = {
    workspaceId: source.workspaceId,
    title: safe.user,
    apiBase: source.apiBase,
    host: safe.host,
    port: safe.port,
    user: safe.user,
    workdir: safe.workdir,
    webUrl: safe.webUrl,
    capabilities: safe.capabilities,
    expiresAt: safe.expiresAt,
    mintedAt,
    controlPath,
  };
  await options.beforeWrite();
  await writeSession(
    dir,
    facts,
    {
      id_ed25519: key.privateText,
      "id_ed25519.pub": `${key.publicLine}\n`,
      ...(safe.certificate === null ? {} : { "id_ed25519-cert.pub": `${safe.certificate}\n` }),
      known_hosts: safe.knownHosts,
      config,
    },
    source,
  );
  const session = await readSession(dir, source, clock.now());
  if (!session)
    throw new RuncodeError("io", `the session in ${dir} does not read as it was written`, {
      hint: "is something else writing there?",
    });
  return session;
}
