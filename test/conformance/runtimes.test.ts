// The driver over containers that were there first: its helper comes when somebody connects, and goes when nobody needs it.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Clock } from "../../src/platform/clock.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";
import { HELPER_IDLE_MS, RuntimeDriver } from "../../src/server/sandboxes/docker/runtime.ts";
import { HELPER_DIR } from "../../src/server/sandboxes/inside/helper.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { BINARY } from "../harness/index.ts";
import { run, seen } from "./subjects.ts";

/** Where the container itself answers, with what it was sent. */
const ECHO = 4444;

/** A clock that stands still until it is told to pass; it says for how long it is being waited for. */
function handClock(): Clock & { waits(): number[]; pass(): void } {
  const sleepers = new Map<() => void, number>();
  return {
    now: () => 0,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleepers.set(resolve, ms);
        signal?.addEventListener("abort", () => {
          sleepers.delete(resolve);
          reject(signal.reason as Error);
        });
      }),
    waits: () => [...sleepers.values()],
    pass: () => {
      for (const resolve of sleepers.keys()) resolve();
      sleepers.clear();
    },
  };
}

describeEngines(
  (kind) => `a runtime's helper on ${kind}`,
  (_, address) => {
    const clock = handClock();
    let engine: Engine;
    let driver: RuntimeDriver;
    let dataDir: string;
    let volume: string;
    let container: Dockerode.Container;
    let sandbox: Sandbox;
    beforeAll(async () => {
      dataDir = await mkdtemp(path.join(tmpdir(), "runcode-runtimes-"));
      engine = await findEngine(address, { env: {}, home: dataDir });
      driver = new RuntimeDriver({ dataDir, self: [BINARY] }, async () => engine, clock);
      volume = await driver.helperVolume(BUSYBOX);
      container = await engine.api.createContainer({
        Image: BUSYBOX,
        Cmd: ["nc", "-ll", "-p", String(ECHO), "-e", "cat"],
        HostConfig: { NetworkMode: "none", Binds: [`${volume}:${HELPER_DIR}:ro`] },
      });
      await container.start();
      const spec = { id: 1, title: "idle", image: null, limits: {}, container: container.id };
      sandbox = (await driver.recover(spec)) as Sandbox;
    });
    afterAll(async () => {
      await driver?.close();
      await container?.remove({ force: true, v: true });
      if (volume) await engine.api.getVolume(volume).remove({ force: true });
      await engine?.close();
      await rm(dataDir, { recursive: true, force: true });
    });

    const helpers = async (): Promise<number> => {
      const { Processes } = (await container.top()) as { Processes: string[][] };
      return Processes.filter((columns) => columns.join(" ").includes("sandbox-agent")).length;
    };
    /** Connects to the container's own program, once it listens. */
    const dial = async (): Promise<Duplex> => {
      for (;;) {
        const dialled = await sandbox.dial({ host: "127.0.0.1", port: ECHO }).catch(() => null);
        if (dialled) return dialled;
      }
    };
    const idle = async (): Promise<void> => {
      await expect.poll(() => clock.waits()).toEqual([HELPER_IDLE_MS]);
      clock.pass();
      await expect.poll(helpers).toBe(0);
    };

    test("nobody is there before it is needed; unused for a while it ends, and the next request finds another", async () => {
      expect(await helpers()).toBe(0);
      for (let round = 0; round < 2; round++) {
        expect(await run(sandbox, ["echo", "here"])).toMatchObject({ stdout: "here\n", exit: { code: 0 } });
        expect(await helpers()).toBe(1);
        await idle();
      }
    });

    test("what is open keeps it: a command, a listener, a connection", async () => {
      const command = await sandbox.exec({ command: ["cat"] });
      expect(clock.waits()).toEqual([]);
      const listener = await sandbox.listen({ host: "127.0.0.1", port: 0 }, () => {});
      command.stdin.end("still here\n");
      expect(await seen(command.stdout, "still here")).toBe("still here\n");
      command.stdout.resume();
      command.stderr?.resume();
      await command.exited;
      expect(clock.waits()).toEqual([]);
      await listener.close();
      await idle();
      const dialled = await dial();
      expect(clock.waits()).toEqual([]);
      dialled.write("and here\n");
      expect(await seen(dialled, "and here")).toBe("and here\n");
      dialled.resume().end();
      if (!dialled.closed) await once(dialled, "close");
      await idle();
    });

    test("a request that nobody can answer is no use of it", async () => {
      await expect(sandbox.dial({ host: "127.0.0.1", port: 1 })).rejects.toMatchObject({ code: "network" });
      await idle();
    });
  },
);
