// `serve --runtime-api`, wired: the engine, the application over it, and its listener.
import { homedir } from "node:os";
import type { Clock } from "../platform/clock.ts";
import { isLoopback, isWildcard, urlHost } from "./daemon/address.ts";
import type { RuntimeApiConfig } from "./daemon/runtime-api.ts";
import { findEngine, resolveEndpoint } from "./engine/index.ts";
import { listenHttp } from "./listener.ts";
import { createRuntimeApi } from "./runtime-api/index.ts";
import { lateEngine } from "./runtime-api/late-engine.ts";
import { volumePolicy } from "./runtime-api/volumes.ts";

export interface RuntimeApiIo {
  readonly clock: Clock;
  readonly version: string;
  readonly log: (line: string) => void;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export interface OpenRuntimeApi {
  /** Where it answers. */
  readonly base: string;
  /** What a person should know of it. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/** Opens it. Throws RuncodeError `io` for an address that cannot be listened on, leaving nothing open. */
export async function openRuntimeApi(config: RuntimeApiConfig, io: RuntimeApiIo): Promise<OpenRuntimeApi> {
  const { address, flavor, key } = config;
  const surroundings = { env: process.env, home: homedir() };
  const engine = lateEngine(() => findEngine(null, surroundings));
  const outside = !isLoopback(address.host);
  const tls = outside ? io.tls : null;
  const local = await resolveEndpoint(null, surroundings).then(
    ({ kind }) => kind === "unix",
    () => true,
  );
  const api = createRuntimeApi({
    engine,
    policy: {
      volumes: volumePolicy(config.volumes, { local }),
      // What a runtime publishes is reached by whoever reaches this API, and by nobody else.
      publishOn: isWildcard(address.host) ? "" : address.host === "localhost" ? "127.0.0.1" : address.host,
      ownLabels: {},
    },
    listener: { started: async () => {}, stopped: async () => {} },
    key,
    hosts: outside ? null : new Set(["localhost", "127.0.0.1", "[::1]", urlHost(address.host)]),
    flavor,
    publishedAt: `http://${urlHost(isWildcard(address.host) ? "127.0.0.1" : address.host)}`,
    version: io.version,
    clock: io.clock,
    log: io.log,
  });
  const http = listenHttp({
    address,
    tls,
    what: "the runtime API",
    flag: "--runtime-api",
    // Pulling an image takes as long as it takes, and says nothing meanwhile.
    idleSeconds: 0,
    fetch: (request, bun) => api.app.fetch(request, { remote: bun.requestIP(request)?.address ?? "unknown" }),
    closing: () => Response.json({ detail: "the server is shutting down" }, { status: 503 }),
  });
  const base = `${tls ? "https" : "http"}://${urlHost(address.host)}:${http.port}`;
  const notes = [
    `runtime API (${flavor === "hosted" ? "hosted contract" : "public contract"}) at ${base}, ${key === null ? "no key" : "with a key"}`,
  ];
  if (outside && !tls) {
    notes.push(
      "the runtime API's key crosses the network in the clear: give --tls-cert and --tls-key, or end TLS in front of it",
    );
  }
  const found = await engine
    .reach()
    .then(
      async (it) => it.facts(),
      (error: unknown) => Promise.reject(error as Error),
    )
    .then(
      ({ kind, version }) => `the runtime API's engine is ${kind} ${version}`,
      (error: unknown) =>
        `the runtime API answers 503 until there is an engine: ${error instanceof Error ? error.message : String(error)}`,
    );
  notes.push(found);
  return {
    base,
    notes,
    close: async () => {
      await Promise.all([http.close(), api.close()]);
      await engine.close();
    },
  };
}
