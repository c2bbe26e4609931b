// A gateway with keys of its own over a real sandbox of the `process` driver, and the system's own clients against it. Keys and
// grants live in a Map; nothing else is made up.
import { execa } from "execa";
import type { Options, ResultPromise } from "execa";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { CAPABILITIES } from "../../src/protocol/api.ts";
import type { Capability } from "../../src/protocol/api.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { createGateway } from "../../src/server/gateway/gateway.ts";
import type { Gateway, GatewayEvent, GatewayLimits } from "../../src/server/gateway/gateway.ts";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";
import type { Access, Grant } from "../../src/server/workspaces/access.ts";
import { testSandbox } from "./sandbox.ts";

export interface Key {
  /** The file with the private key. */
  readonly file: string;
  /** What `-F` takes: nothing of the machine's own configuration takes part. */
  readonly config: string;
}

export interface World {
  readonly dir: string;
  readonly gateway: Gateway;
  readonly host: string;
  readonly port: number;
  readonly sandbox: Sandbox;
  readonly log: readonly GatewayEvent[];
  /** Makes a key that opens workspace `demo`, or what `grant` says. */
  key(grant?: Partial<Grant> & { user?: string }): Key;
  /** A key that nobody registered. */
  strangerKey(user?: string): Key;
  revoke(key: Key): void;
  /** Has the key's time end now. */
  expire(key: Key): void;
  /** `ssh` with words after the host; stdin from `input`, or the null device. */
  ssh(words: readonly string[], options?: Options & { key?: Key; flags?: readonly string[] }): ResultPromise;
  /** Any client that is told of the config by `-F`. */
  client(program: string, words: readonly string[], options?: Options): ResultPromise;
  /** Settles with the first event that `match` accepts, past or to come. */
  event(match: (event: GatewayEvent) => boolean): Promise<GatewayEvent>;
  close(): Promise<void>;
}

export const HOST = "w";
const ALL: ReadonlySet<Capability> = new Set(CAPABILITIES);

export async function world(limits: Partial<GatewayLimits> = {}): Promise<World> {
  const dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), "gw-")));
  const { sandbox, stop } = await testSandbox(path.join(dir, "s"));
  const grants = new Map<string, { user: string; grant: Grant }>();
  const revoked = new Set<number>();
  const log: GatewayEvent[] = [];
  const listeners = new Set<(event: GatewayEvent) => void>();
  const access: Access = {
    authenticate: (user, blob) => {
      const found = grants.get(blob.toString("base64"));
      return found !== undefined && found.user === user && access.stands(found.grant) ? found.grant : null;
    },
    stands: (grant) => grant.expiresAt > Date.now() && !revoked.has(grant.sessionId),
    sandbox: async (workspaceId) => {
      if (workspaceId !== 1) throw new RuncodeError("conflict", "workspace other is not running");
      return sandbox;
    },
    connected: () => () => {},
  };
  const gateway = createGateway({
    access,
    hostKey: generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    limits,
    version: "0.test",
    log: (event) => {
      log.push(event);
      for (const listener of listeners) listener(event);
    },
  });
  const { host, port } = await gateway.listen("127.0.0.1", 0);
  let keys = 0;
  const given = new Map<Key, { -readonly [K in keyof Grant]: Grant[K] }>();

  const makeKey = (user: string): { key: Key; blob: string } => {
    const file = path.join(dir, `k${++keys}`);
    Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
    const known = `${file}.known`;
    writeFileSync(known, `[${host}]:${port} ${gateway.hostKeyLine}\n`);
    const config = `${file}.conf`;
    const lines = [
      `Host ${HOST}`,
      `HostName ${host}`,
      `Port ${port}`,
      `User ${user}`,
      `IdentityFile ${file}`,
      "IdentitiesOnly yes",
      "IdentityAgent none",
      `UserKnownHostsFile ${known}`,
      "GlobalKnownHostsFile /dev/null",
      "StrictHostKeyChecking yes",
      "BatchMode yes",
      "LogLevel ERROR",
      "",
    ];
    writeFileSync(config, lines.join("\n"));
    return { key: { file, config }, blob: readFileSync(`${file}.pub`, "utf8").split(" ")[1]?.trim() ?? "" };
  };

  const it: World = {
    dir,
    gateway,
    host,
    port,
    sandbox,
    log,
    key: ({ user = "demo", ...grant } = {}) => {
      const { key, blob } = makeKey(user);
      const whole: Grant = {
        sessionId: keys,
        workspaceId: 1,
        title: "demo",
        expiresAt: Date.now() + 600_000,
        capabilities: ALL,
        ...grant,
      };
      grants.set(blob, { user: whole.title, grant: whole });
      given.set(key, whole);
      return key;
    },
    strangerKey: (user = "demo") => makeKey(user).key,
    revoke: (key) => void revoked.add(given.get(key)?.sessionId ?? -1),
    expire: (key) => void Object.assign(given.get(key) ?? {}, { expiresAt: Date.now() }),
    ssh: (words, { key = owner, flags = [], ...options } = {}) =>
      run("ssh", ["-F", key.config, ...flags, HOST, ...words], options),
    client: (program, words, options = {}) => run(program, ["-F", owner.config, ...words], options),
    event: (match) =>
      new Promise((resolve) => {
        const past = log.find(match);
        if (past !== undefined) return resolve(past);
        const listener = (event: GatewayEvent): void => {
          if (!match(event)) return;
          listeners.delete(listener);
          resolve(event);
        };
        listeners.add(listener);
      }),
    close: async () => {
      await gateway.close();
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  const owner = it.key();
  const run = (program: string, words: readonly string[], options: Options): ResultPromise =>
    execa(program, words, {
      reject: false,
      stripFinalNewline: false,
      timeout: 120_000,
      cwd: dir,
      ...(options.input === undefined && options.inputFile === undefined && options.stdin === undefined
        ? { stdin: "ignore" as const }
        : {}),
      ...options,
    } as Options) as ResultPromise;
  return it;
}

/** A file of `bytes` that no compression or zero-filling can imitate, and its SHA-256. */
export function noise(file: string, bytes: number): { file: string; sha256: string } {
  const block = new Uint8Array(1024 * 1024);
  const hash = new Bun.CryptoHasher("sha256");
  const writer: Uint8Array[] = [];
  for (let left = bytes; left > 0; left -= block.length) {
    for (let at = 0; at < block.length; at += 65536) crypto.getRandomValues(block.subarray(at, at + 65536));
    const part = block.slice(0, Math.min(left, block.length));
    hash.update(part);
    writer.push(part);
  }
  writeFileSync(file, Buffer.concat(writer));
  return { file, sha256: hash.digest("hex") };
}

export const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
