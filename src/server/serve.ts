// The composition root of the server: opens what it stands on, wires it, listens, drains, closes. Whoever opens closes, in
// the opposite order. src/server/daemon has what surrounds it: options, the data directory, running in the background.
import { createHash } from "node:crypto";
import { connect } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { claimDataDir, dataDirAt, hostKeyOf, prepareDataDir } from "./daemon/data-dir.ts";
import { openDrivers } from "./daemon/drivers.ts";
import { isLoopback, isWildcard, urlHost, type ServeConfig } from "./daemon/options.ts";
import { createParts } from "./daemon/parts.ts";
import { removeState, writeState } from "./daemon/state.ts";
import { createGateway, type Gateway } from "./gateway/gateway.ts";
import { createApp, createSockets, type HostPolicy } from "./http/index.ts";
import { cannotListen, DRAIN_MS, listenHttp } from "./listener.ts";
import { prepareRuntimeApi } from "./open-runtime-api.ts";
import { openStore } from "./store/index.ts";
import { createControlPlane, type ControlPlane, type Endpoints } from "./workspaces/index.ts";

/** What a script learns of a server that answers. Additions are fine, changes are not. */
export interface ServerFacts {
  readonly pid: number;
  readonly api_base: string;
  readonly web_base: string;
  readonly ssh: { readonly host: string; readonly port: number };
  readonly data_dir: string;
  /** Opens the pages in a browser, once, within a quarter of an hour. */
  readonly login_url: string;
  readonly drivers: readonly string[];
  /** What a workspace may be made of, by name. */
  readonly flavors: readonly string[];
  /** Where the runtime API answers, if it was asked for. */
  readonly runtime_api?: string;
  /** What a person should know of this machine's sandboxes. */
  readonly notes: readonly string[];
  /** At the first start only. */
  readonly owner_token?: string;
}

export interface RunningServer {
  readonly facts: ServerFacts;
  /**
   * Takes nobody new, lets what runs come to an end for a while, stops the sandboxes and closes everything, within END_MS.
   * Throws RuncodeError `timeout` that says what did not close in time; it is for the process to end all the same.
   */
  drain(): Promise<void>;
}

export interface ServeIo {
  readonly clock: Clock;
  readonly version: string;
  /** The argv that starts this very program. */
  readonly self: readonly string[];
  /** One line for the operator's log; it never holds a secret. */
  readonly log: (line: string) => void;
}

/** Starts a server. Resolves when both listeners answer; throws RuncodeError, leaving nothing open. */
export async function startServer(config: ServeConfig, io: ServeIo): Promise<RunningServer> {
  const { clock, log } = io;
  // What is open so far, closed whether starting fails or the server ends.
  const parts = createParts(log);
  try {
    const dir = dataDirAt(config.dataDir);
    await prepareDataDir(dir);
    parts.add("the data directory", await claimDataDir(dir));
    parts.add("the process", outliveDefects(log));
    const hostKey = await hostKeyOf(dir);
    const store = openStore(dir.database);
    parts.add("the database", () => store.close());
    const { drivers, notes } = await openDrivers(dir, io.self, config.drivers, config.engine, config.flavors);

    const runtimes = config.runtimeApi
      ? prepareRuntimeApi(config.runtimeApi, {
          ...io,
          dataDir: dir.root,
          tls: config.tls,
          engine: config.engine.address,
          publicUrl: config.publicUrl,
        })
      : null;
    if (runtimes) parts.add("the engine of the runtime API", () => runtimes.close());

    let endpoints: Endpoints | undefined;
    const plane = createControlPlane({
      store,
      drivers,
      flavors: config.flavors,
      adopting: runtimes?.driver ?? null,
      clock,
      endpoints: () => {
        if (!endpoints) throw new RuncodeError("unavailable", "the server is still starting");
        return endpoints;
      },
      log,
    });
    parts.add("the drivers", () => plane.workspaces.close(), WORKSPACES_MS);

    const gateway = createGateway({
      access: plane.access,
      hostKey,
      version: io.version,
      log: (event) => log(`ssh ${JSON.stringify(event)}`),
    });
    parts.add("the SSH gateway", () => gateway.drain(DRAIN_MS));
    const ssh = await listen(gateway, config.ssh);

    const sockets = createSockets();
    const app = createApp({
      plane,
      clock,
      sockets,
      hosts: hostPolicy(config),
      secure: config.tls !== null || (config.publicUrl?.startsWith("https:") ?? false),
      instance: createHash("sha256").update(gateway.hostKeyLine).digest("hex").slice(0, 12),
      ready: remembered(clock, async () => {
        await plane.ready();
        await answers(ssh);
      }),
      log,
    });
    const http = listenHttp({
      address: config.http,
      tls: config.tls,
      what: "HTTP",
      flag: "--http",
      idleSeconds: IDLE_SECONDS,
      fetch: (request, bun) => {
        // Behind a proxy the peer is the proxy, which adds who asked it at the end of this header.
        const forwarded = config.behindProxy ? request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() : null;
        const remote = forwarded || bun.requestIP(request)?.address || "unknown";
        return app.fetch(request, { remote, server: bun });
      },
      closing: () => Response.json({ error: true, message: "the server is shutting down" }, { status: 503 }),
      websocket: sockets.handler,
    });
    parts.add("the HTTP listener", () => http.close());
    parts.add("the pages' terminals", () => sockets.close());

    const own = `${config.tls ? "https" : "http"}://${urlHost(config.http.host)}:${http.port}`;
    const webBase = config.publicUrl ?? own;
    endpoints = {
      webBase,
      ssh: config.sshPublic ?? { host: reachableHost(ssh.host, config), port: ssh.port },
      hostKey: gateway.hostKeyLine,
    };
    const first = plane.accounts.bootstrap();
    const runtimeApi = (await runtimes?.serve(plane)) ?? null;
    if (runtimeApi) parts.add("the runtime API", () => runtimeApi.close());
    const left = await leftOnEngines(plane, io);
    const facts: ServerFacts = {
      pid: process.pid,
      api_base: webBase,
      web_base: webBase,
      ssh: endpoints.ssh,
      data_dir: dir.root,
      login_url: `${webBase}/auth/login?code=${plane.accounts.createLoginCode(plane.accounts.owner())}`,
      drivers: drivers.map((driver) => driver.name),
      flavors: [...config.flavors.keys()],
      ...(runtimeApi ? { runtime_api: runtimeApi.base } : {}),
      notes: [...notes, ...(runtimeApi?.notes ?? []), ...left],
      ...(first ? { owner_token: first.token } : {}),
    };
    await writeState(dir, {
      pid: facts.pid,
      since: new Date(clock.now()).toISOString(),
      version: io.version,
      api_base: facts.api_base,
      web_base: facts.web_base,
      ssh: facts.ssh,
      data_dir: facts.data_dir,
      drivers: [...facts.drivers],
      flavors: [...facts.flavors],
      ...(facts.runtime_api === undefined ? {} : { runtime_api: facts.runtime_api }),
      engine: config.engine.address,
    });
    parts.add("its state file", () => removeState(dir));
    log(`serving: http ${own}, ssh ${ssh.host}:${ssh.port}, data ${dir.root}`);
    void plane.workspaces.recover().catch((error: unknown) => log(`recovery: ${String(error)}`));

    let draining: Promise<void> | undefined;
    return {
      facts,
      drain: () => {
        if (!draining) {
          log("draining");
          draining = parts.close().then(nothingLeft);
        }
        return draining;
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

/** How long a start waits to be told what is left on engines, in milliseconds. */
const LEFT_MS = 5_000;

/** Gives what the drivers leave of workspaces that are not known here, for the notes; where that takes long it goes to the log. */
async function leftOnEngines({ workspaces }: ControlPlane, { clock, log }: ServeIo): Promise<readonly string[]> {
  const told = workspaces.reconcile();
  const enough = new AbortController();
  const bound = clock.sleep(LEFT_MS, enough.signal).then(
    () => null,
    () => null,
  );
  const lines = await Promise.race([told, bound]);
  enough.abort();
  if (lines === null) void told.then((late) => late.forEach(log));
  return lines ?? [];
}

/** How long the workspaces may take to stop and their drivers to close, in milliseconds; the workspaces have a bound of their own. */
const WORKSPACES_MS = 30_000;

function nothingLeft(left: readonly string[]): void {
  if (left.length === 0) return;
  throw new RuncodeError("timeout", `the server has ended, and these had not closed in time: ${left.join(", ")}`, {
    hint: "the next start clears up what they left",
  });
}

/** A request that takes longer than this without a byte is given up; the longest of ours is a forced delete. */
const IDLE_SECONDS = 60;

async function listen(gateway: Gateway, at: ServeConfig["ssh"]): Promise<{ host: string; port: number }> {
  return gateway.listen(at.host, at.port).catch((error: unknown) => {
    throw cannotListen(at, "SSH", "--ssh", error);
  });
}

/**
 * One connection's defect must not end everybody else's: sshd has a process per connection for that, we have one for all.
 * What nobody caught goes to the log, and the server goes on.
 */
function outliveDefects(log: (line: string) => void): () => void {
  const survive = (error: unknown): void => log(`defect: ${error instanceof Error ? error.stack : String(error)}`);
  process.on("uncaughtException", survive);
  process.on("unhandledRejection", survive);
  return () => {
    process.off("uncaughtException", survive);
    process.off("unhandledRejection", survive);
  };
}

/** On loopback only names of this machine are answered: see checkHost. */
function hostPolicy({ http, publicUrl }: ServeConfig): HostPolicy {
  if (!isLoopback(http.host)) return null;
  const names = ["localhost", "127.0.0.1", "[::1]", urlHost(http.host)];
  if (publicUrl) names.push(new URL(publicUrl).hostname);
  return { names: new Set(names.map((name) => name.toLowerCase())) };
}

/** What a bundle says: a gateway on every address is reached by the name that the pages are reached by. */
function reachableHost(bound: string, { publicUrl }: ServeConfig): string {
  if (!isWildcard(bound)) return bound;
  return publicUrl ? new URL(publicUrl).hostname.replace(/^\[|\]$/g, "") : "127.0.0.1";
}

/** Resolves when the gateway greets. */
function answers({ host, port }: { host: string; port: number }): Promise<void> {
  const to = isWildcard(host) ? (host.includes(":") ? "::1" : "127.0.0.1") : host;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: to, port, timeout: 2_000 });
    const fail = (): void => {
      socket.destroy();
      reject(new RuncodeError("unavailable", "the gateway does not answer"));
    };
    socket.once("data", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", fail);
    socket.once("timeout", fail);
    socket.once("close", fail);
  });
}

/** Anybody may ask whether the server is ready; it is found out every few seconds at most. */
function remembered(clock: Clock, check: () => Promise<void>, ms = 3_000): () => Promise<void> {
  let last: { at: number; result: Promise<void> } | undefined;
  return () => {
    if (!last || clock.now() - last.at >= ms) last = { at: clock.now(), result: check() };
    return last.result;
  };
}
