// The runtime API in front of a real engine, reached without a socket.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { systemClock } from "../../src/platform/clock.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { dockerEngine } from "../../src/server/runtime-api/docker-engine.ts";
import { openLeftovers } from "../../src/server/runtime-api/leftovers.ts";
import { pendingIn } from "../../src/server/runtime-api/pending.ts";
import { createRuntimeApi, type RuntimeApi, type RuntimeApiDeps } from "../../src/server/runtime-api/index.ts";
import { NOBODY } from "../../src/server/runtime-api/runtimes.ts";
import { volumePolicy } from "../../src/server/runtime-api/volumes.ts";
import { answerOf, type Answer } from "../server/plane.ts";

export interface TestApi {
  readonly app: RuntimeApi["app"];
  readonly engine: Engine;
  readonly log: string[];
  /** By which this server knows its own; another `testApi` with the same is the same server. */
  readonly mark: string;
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Removes every container that this API started, and lets go of the engine. */
  close(): Promise<void>;
}

/** A label by which a test finds what it has started, and nothing else. */
export const TEST_LABEL = "io.runcode.test";

export async function testApi(
  address: string,
  change: Partial<RuntimeApiDeps> & { readonly volumes?: readonly string[]; readonly mark?: string } = {},
): Promise<TestApi> {
  const engine = await findEngine(address, { env: {}, home: os.tmpdir() });
  const log: string[] = [];
  const { volumes = [], mark = `${process.pid}-${Math.random().toString(36).slice(2)}`, ...deps } = change;
  const asked = dockerEngine(engine);
  const dir = await mkdtemp(path.join(os.tmpdir(), "rca-"));
  const leftovers = await openLeftovers(asked, pendingIn(dir), systemClock, (line) => log.push(line));
  const api = createRuntimeApi({
    engine: asked,
    leftovers,
    policy: {
      volumes: volumePolicy(volumes, { local: true }),
      publishOn: "127.0.0.1",
      ownLabels: { [TEST_LABEL]: mark },
    },
    listener: NOBODY,
    key: null,
    hosts: new Set(["localhost", "127.0.0.1", "[::1]"]),
    flavor: "public",
    publishedAt: "http://127.0.0.1",
    version: "0.0.0-test",
    clock: systemClock,
    log: (line) => log.push(line),
    ...deps,
  });
  return {
    app: api.app,
    engine,
    log,
    mark,
    ask: (method, where, body, headers = {}) =>
      answerOf(
        api.app.request(where, {
          method,
          headers: { host: "127.0.0.1:8090", "content-type": "application/json", ...headers },
          ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      ),
    close: async () => {
      await api.close();
      await leftovers.close();
      for (const id of await startedBy(engine, mark)) {
        await engine.api
          .getContainer(id)
          .remove({ force: true, v: true })
          .catch(() => {});
      }
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The ids of the containers with the mark of one test, whatever state they are in. */
async function startedBy(engine: Engine, mark: string): Promise<string[]> {
  const filters = { label: [`${TEST_LABEL}=${mark}`] };
  return (await engine.api.listContainers({ all: true, filters }).catch(() => [])).map(({ Id }) => Id);
}

/** An address where no engine answers. */
export const NO_ENGINE = "unix:///nonexistent/engine.sock";
