// `serve --runtime-api`, wired: the engine, the application over it, and its listener.
import { homedir } from "node:os";
import path from "node:path";
import type { Clock } from "../platform/clock.ts";
import { isLoopback, isWildcard, urlHost } from "./daemon/address.ts";
import type { RuntimeApiConfig } from "./daemon/runtime-api.ts";
import { findEngine, howFound, resolveEndpoint } from "./engine/index.ts";
import { listenHttp } from "./listener.ts";
import { createRuntimeApi } from "./runtime-api/index.ts";
import { lateEngine, type LateEngine } from "./runtime-api/late-engine.ts";
import { openLeftovers } from "./runtime-api/leftovers.ts";
import { pendingIn } from "./runtime-api/pending.ts";
import { volumePolicy } from "./runtime-api/volumes.ts";
import { createRuntimeWorkspaces } from "./runtime-api/workspaces.ts";
import { RuntimeDriver } from "./sandboxes/docker/runtime.ts";
import type { ControlPlane } from "./workspaces/index.ts";

/** How long a caller may pause while he sends his request, and a connection that is kept be idle. */
const IDLE_SECONDS = 30;

export interface RuntimeApiIo {
  readonly dataDir: string;
  /** The engine's address as `--engine` says it; null searches. */
  readonly engine: string | null;
  /** The argv that starts this very program. */
  readonly self: readonly string[];
  readonly clock: Clock;
  readonly version: string;
  readonly log: (line: string) => void;
  /** Where this server is reached from elsewhere, if that was said. */
  readonly publicUrl: string | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export interface ServedRuntimeApi {
  /** Where it answers. */
  readonly base: string;
  /** What a person should know of it. */
  readonly notes: readonly string[];
  /** Takes nobody new, gives up what is being started, and leaves what runs. */
  close(): Promise<void>;
}

export interface RuntimeApiParts {
  /** Of the workspaces that its runtimes are. */
  readonly driver: RuntimeDriver;
  /** Listens. Throws RuncodeError `io`, as for an address that cannot be listened on. */
  serve(plane: ControlPlane): Promise<ServedRuntimeApi>;
  /** Lets go of the engine, when nothing uses it any more. */
  close(): Promise<void>;
}

const addressOf = ({ address: { host } }: RuntimeApiConfig): string => (host === "localhost" ? "127.0.0.1" : host);

/** A name or address of the host that callers can use, which a wildcard is not. */
function reachable(host: string, publicUrl: string | null): string {
  if (!isWildcard(host)) return host;
  return publicUrl === null ? "127.0.0.1" : new URL(publicUrl).hostname.replace(/^\[|\]$/g, "");
}

/** Nothing is opened or asked yet: there may be no engine today. */
export function prepareRuntimeApi(config: RuntimeApiConfig, io: RuntimeApiIo): RuntimeApiParts {
  const surroundings = { env: process.env, home: homedir() };
  const engine = lateEngine(() => findEngine(io.engine, surroundings));
  const driver = new RuntimeDriver({ dataDir: io.dataDir, self: io.self }, () => engine.reach(), io.clock);
  const isLocal = (): Promise<boolean> =>
    resolveEndpoint(io.engine, surroundings).then(
      (named) => named === null || named.kind === "unix",
      () => true,
    );
  return {
    driver,
    close: () => engine.close(),
    serve: async (plane) => {
      const pending = pendingIn(path.join(io.dataDir, "starts"));
      const leftovers = await openLeftovers(engine, pending, io.clock, io.log);
      const workspaces = createRuntimeWorkspaces({ engine, leftovers, driver, plane, clock: io.clock, log: io.log });
      const host = addressOf(config);
      const outside = !isLoopback(host);
      const api = createRuntimeApi({
        engine,
        leftovers,
        policy: {
          volumes: volumePolicy(config.volumes, { local: await isLocal() }),
          // What a runtime publishes is reached by whoever reaches this API, and by nobody else.
          publishOn: isWildcard(host) ? "" : host,
          ownLabels: await driver.labels(),
        },
        listener: workspaces,
        key: config.key,
        hosts: outside ? null : new Set(["localhost", "127.0.0.1", "[::1]", urlHost(host)]),
        flavor: config.flavor,
        publishedAt: `http://${urlHost(reachable(host, io.publicUrl))}`,
        version: io.version,
        clock: io.clock,
        log: io.log,
      });
      const tls = outside ? io.tls : null;
      const http = listenHttp({
        address: config.address,
        tls,
        what: "the runtime API",
        flag: "--runtime-api",
        idleSeconds: IDLE_SECONDS,
        fetch: (request, bun) =>
          api.app.fetch(request, {
            remote: bun.requestIP(request)?.address ?? "unknown",
            // Pulling an image takes as long as it takes, and says nothing meanwhile.
            received: () => bun.timeout(request, 0),
          }),
        closing: () => Response.json({ detail: "the server is shutting down" }, { status: 503 }),
      });
      workspaces.watch();
      const base = `${tls ? "https" : "http"}://${urlHost(config.address.host)}:${http.port}`;
      return {
        base,
        notes: [...notesOn(config, base, tls !== null), await engineNote(engine)],
        close: async () => {
          await Promise.all([http.close(), api.close()]);
          await Promise.all([workspaces.close(), leftovers.close()]);
        },
      };
    },
  };
}

function notesOn({ flavor, key, address }: RuntimeApiConfig, base: string, secure: boolean): string[] {
  const clear = !isLoopback(address.host) && !secure;
  return [
    `runtime API (${flavor} contract) at ${base}, ${key === null ? "without a key" : "with a key"}`,
    ...(clear
      ? ["its key crosses the network in the clear: give --tls-cert and --tls-key, or end TLS in front of it"]
      : []),
  ];
}

async function engineNote(engine: LateEngine): Promise<string> {
  try {
    const reached = await engine.reach();
    const { kind, version } = await reached.facts();
    return `its engine is ${kind} ${version} at ${reached.endpoint.url} (${howFound(reached.endpoint)})`;
  } catch (error) {
    return `it answers 503 until there is an engine: ${error instanceof Error ? error.message : String(error)}`;
  }
}
