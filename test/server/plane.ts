// A whole control plane for one test: the real store in memory, the real process driver in a directory of its own, and the
// HTTP application in front of it, reached without a socket.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../../src/platform/clock.ts";
import { createApp, createSockets, type App } from "../../src/server/http/index.ts";
import type { Driver } from "../../src/server/sandboxes/driver.ts";
import { createDriver } from "../../src/server/sandboxes/index.ts";
import { openStore, type Store } from "../../src/server/store/index.ts";
import type { Account } from "../../src/server/workspaces/accounts.ts";
import { createControlPlane, type ControlPlane } from "../../src/server/workspaces/index.ts";
import { ROOT } from "../harness/index.ts";

/** A clock that a test sets; `sleep` never wakes by itself, so that nothing depends on how fast the machine is. */
export interface SetClock extends Clock {
  time: number;
}

export interface TestPlane {
  readonly plane: ControlPlane;
  readonly store: Store;
  readonly driver: Driver;
  readonly app: App;
  readonly clock: SetClock;
  readonly log: string[];
  readonly account: Account;
  readonly token: string;
  /** Asks with the owner's token, and with JSON where there is a body. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

// A test reaches into an answer as a script would; what is not there fails the test.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyJson = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: AnyJson;
}

export interface PlaneOptions {
  /** Puts something between the lifecycle and the process driver. */
  readonly wrap?: (driver: Driver) => Driver;
  readonly store?: Store;
  readonly dir?: string;
  readonly secure?: boolean;
}

export async function testPlane({
  wrap = (it) => it,
  store,
  dir,
  secure = false,
}: PlaneOptions = {}): Promise<TestPlane> {
  const dataDir = dir ?? (await realpath(await mkdtemp(path.join(os.tmpdir(), "rcp-"))));
  const self = [process.execPath, path.join(ROOT, "bin/runcode.ts")];
  const driver = wrap(await createDriver("process", { dataDir, self }));
  const own = store ?? openStore(":memory:");
  const log: string[] = [];
  const clock: SetClock = {
    time: Date.parse("2030-01-01T00:00:00Z"),
    now: () => clock.time,
    sleep: (_, signal) =>
      new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
      ),
  };
  const plane = createControlPlane({
    store: own,
    drivers: [driver],
    clock,
    endpoints: () => ({
      webBase: "http://127.0.0.1:7070",
      ssh: { host: "127.0.0.1", port: 7022 },
      hostKey: "ssh-ed25519 AAAA",
    }),
    log: (line) => log.push(line),
  });
  const token = plane.accounts.bootstrap()?.token ?? plane.accounts.createToken(plane.accounts.owner(), "test").secret;
  const app = createApp({
    sockets: createSockets(),
    plane,
    clock,
    hosts: { names: new Set(["localhost", "127.0.0.1", "[::1]"]) },
    secure,
    instance: "test",
    ready: () => plane.ready(),
    log: (line) => log.push(line),
  });
  return {
    plane,
    store: own,
    driver,
    app,
    clock,
    log,
    account: plane.accounts.owner(),
    token,
    ask: (method, where, body, headers = {}) =>
      answerOf(
        app.request(where, {
          method,
          headers: { host: "127.0.0.1:7070", authorization: `Token ${token}`, ...headers },
          ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      ),
    close: async () => {
      await plane.workspaces.close();
      if (!store) own.close();
      if (dir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export async function answerOf(response: Response | Promise<Response>): Promise<Answer> {
  const { status, headers, ...rest } = await (async () => {
    const got = await response;
    return { status: got.status, headers: got.headers, text: await got.text() };
  })();
  const isJson = headers.get("content-type")?.startsWith("application/json") ?? false;
  return { status, headers, text: rest.text, json: isJson && rest.text !== "" ? JSON.parse(rest.text) : null };
}

/** A fresh Ed25519 public key in OpenSSH's format, and its blob. */
export function sessionKey(): { line: string; blob: Buffer } {
  const { x } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const string = (data: Buffer | string): Buffer => {
    const bytes = Buffer.from(data as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const blob = Buffer.concat([string("ssh-ed25519"), string(Buffer.from(x as string, "base64url"))]);
  return { line: `ssh-ed25519 ${blob.toString("base64")} test`, blob };
}
