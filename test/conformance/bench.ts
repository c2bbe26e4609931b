// An engine of a test's own behind a proxy, and the lives of one server on it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { DockerDriver } from "../../src/server/sandboxes/docker/driver.ts";
import type { SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { BUSYBOX, type EngineKind } from "../harness/engines.ts";
import { BINARY, engineProxy, ownEngine, type EngineProxy, type OwnEngine } from "../harness/index.ts";

/** The one workspace there. */
export const spec: SandboxSpec = { id: 1, title: "box", image: BUSYBOX, limits: {} };

export interface Bench {
  readonly own: OwnEngine;
  readonly proxy: EngineProxy;
  readonly engine: Engine;
  /** A new life of the server, in the same data directory. */
  readonly life: (answerMs?: number) => DockerDriver;
  /** The containers and volumes that there are, the helper's aside. */
  readonly left: () => Promise<string[]>;
  readonly close: () => Promise<void>;
}

/** Starts an engine of its own of this kind, with these words, and a server's data directory that is `linked` or too deep for it. */
export async function bench(
  kind: EngineKind,
  { words = [], linked = true }: { words?: readonly string[]; linked?: boolean } = {},
): Promise<Bench> {
  const own = await ownEngine(kind, { words });
  const proxy = await engineProxy(own.address);
  const engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
  const root = await mkdtemp(path.join(tmpdir(), "runcode-faults-"));
  // Too long for the path of a socket: everything goes through the engine then.
  const dataDir = linked ? root : path.join(root, "x".repeat(100));
  const lives: DockerDriver[] = [];
  return {
    own,
    proxy,
    engine,
    life: (answerMs) => {
      const options = { address: proxy.address, image: null, network: "none", hardening: {} };
      const driver = new DockerDriver(
        { dataDir, self: [BINARY] },
        answerMs === undefined ? options : { ...options, answerMs },
      );
      lives.push(driver);
      return driver;
    },
    left: async () => {
      const containers = await engine.api.listContainers({ all: true });
      const { Volumes } = await engine.api.listVolumes();
      const names = [...containers.flatMap(({ Names }) => Names), ...(Volumes ?? []).map(({ Name }) => Name)];
      return names.filter((name) => !/-helper-/.test(name));
    },
    close: async () => {
      for (const life of lives) await life.close();
      await proxy.close();
      await engine.close();
      await own.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
