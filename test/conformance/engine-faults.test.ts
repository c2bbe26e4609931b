// An engine that is killed while it works for us, and started again on what it had: who waited is told, nothing is left over,
// and the workspace can be used again.
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { DockerDriver } from "../../src/server/sandboxes/docker/driver.ts";
import type { SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { BUSYBOX, describeEngines, OWN_KINDS, type EngineKind } from "../harness/engines.ts";
import { BINARY, engineProxy, ownEngine, type EngineProxy, type OwnEngine } from "../harness/index.ts";
import { nap, run, seen } from "./subjects.ts";

const spec: SandboxSpec = { id: 1, title: "box", image: BUSYBOX, limits: {} };

/** Whether any process of this machine, in whatever container, sleeps for that long. */
function sleeps(seconds: number): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  });
}

interface Bench {
  readonly own: OwnEngine;
  readonly proxy: EngineProxy;
  readonly engine: Engine;
  /** A new life of the server, in the same data directory. */
  readonly life: (answerMs?: number) => DockerDriver;
  /** The containers and volumes that there are, the helper's aside. */
  readonly left: () => Promise<string[]>;
  readonly close: () => Promise<void>;
}

async function bench(
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

describeEngines(
  (kind) => `${kind}, killed and started again`,
  (kind) => {
    let on: Bench;
    beforeAll(async () => void (on = await bench(kind)));
    afterEach(() => {
      on.proxy.asked = () => {};
      on.proxy.answered = () => {};
    });
    afterAll(async () => await on.close());

    /** Kills the engine at the first request that looks so, before it hears of it or before the client has its answer. */
    const killAt = (when: "asked" | "answered", request: RegExp): Promise<void> => {
      const killed = Promise.withResolvers<void>();
      let done = false;
      on.proxy[when] = async (line) => {
        if (done || !request.test(line)) return;
        done = true;
        await on.own.kill();
        killed.resolve();
      };
      return killed.promise;
    };

    test.each([
      ["a look into an image", "answered", /^POST \/containers\/create\?name=runcode-look-/],
      ["the helper's files", "asked", /^PUT .*\/archive/],
      ["the making of a container", "asked", /^POST \/containers\/create\?name=runcode-[0-9a-f]{12}-1/],
      [
        "the making of a container, which it has made",
        "answered",
        /^POST \/containers\/create\?name=runcode-[0-9a-f]{12}-1/,
      ],
      ["a start that it has carried out", "answered", /^POST .*\/start/],
    ] as const)(
      "in the middle of %s: the start says so, nothing is left after recovery, and the next one works",
      async (_, when, request) => {
        const first = on.life();
        await first.create(spec);
        const killed = killAt(when, request);
        await expect(first.start(spec)).rejects.toMatchObject({
          code: "unavailable",
          message: expect.stringContaining("does not answer") as string,
        });
        await killed;
        await expect(first.recover(spec)).rejects.toMatchObject({ code: "unavailable" });
        await on.own.start();

        const next = on.life();
        await next.reconcile((id) => id === spec.id);
        await next.recover(spec);
        expect((await on.left()).filter((name) => !name.endsWith("-1-home"))).toEqual([]);
        const sandbox = await next.start(spec);
        expect((await run(sandbox, "echo works")).stdout).toBe("works\n");
        await sandbox.stop({ graceMs: 0 });
        await next.delete(spec);
        await next.forget();
        expect(await on.left()).toEqual([]);
      },
    );

    test("in the middle of a command: it ends as killed, is gone for certain, and the workspace goes on or starts again", async () => {
      const driver = on.life();
      await driver.create(spec);
      const sandbox = await driver.start(spec);
      const seconds = nap();
      const process = await sandbox.exec({ command: `echo kept > ~/workspace/file; echo runs; sleep ${seconds}` });
      await seen(process.stdout, "runs");
      await on.own.kill();
      expect(await process.exited).toMatchObject({ signal: "KILL" });
      await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining("does not answer") as string,
      });
      await on.own.start();
      // Podman's containers outlive its service, dockerd's end with it.
      const again = kind !== "docker" ? sandbox : await sandbox.ended.then(async () => await driver.start(spec));
      expect((await run(again, "cat ~/workspace/file")).stdout).toBe("kept\n");
      await expect.poll(() => sleeps(seconds)).toBe(false);
      await again.stop({ graceMs: 0 });
      await driver.delete(spec);
      expect(await on.left()).toEqual([]);
    });
  },
  OWN_KINDS,
);

describeEngines(
  (kind) => `${kind} with live-restore`,
  (kind) => {
    test("a container outlives dockerd, and what was said to be killed does not", async () => {
      const on = await bench(kind, { words: ["--live-restore"] });
      onTestFinished(async () => await on.close());
      const driver = on.life();
      await driver.create(spec);
      const sandbox = await driver.start(spec);
      const seconds = nap();
      const process = await sandbox.exec({ command: `echo runs; sleep ${seconds}` });
      await seen(process.stdout, "runs");
      await on.own.kill();
      expect(await process.exited).toMatchObject({ signal: "KILL" });
      await on.own.start();
      expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
      await expect.poll(() => sleeps(seconds)).toBe(false);
      expect((await run(sandbox, "echo still on")).stdout).toBe("still on\n");
      await sandbox.stop({ graceMs: 0 });
    });
  },
  OWN_KINDS.filter((kind) => kind === "docker"),
);

describeEngines(
  (kind) => `${kind}, slow or silent`,
  (kind) => {
    let on: Bench;
    beforeAll(async () => void (on = await bench(kind, { linked: false })));
    afterAll(async () => await on.close());

    test("an engine that takes its time over every request is waited for, from create to the last byte", async () => {
      on.proxy.asked = async () => await Bun.sleep(400);
      const driver = on.life();
      await driver.create(spec);
      const sandbox = await driver.start(spec);
      expect((await run(sandbox, "cat", { input: "there and back" })).stdout).toBe("there and back");
      await sandbox.stop({ graceMs: 0 });
      await driver.delete(spec);
      on.proxy.asked = () => {};
    });

    describe("one that stops answering in the middle", () => {
      test.each([
        ["when a workspace is made", /^POST \/volumes\/create/],
        ["when an image is looked for", /^GET \/images\//],
        ["when a container is made", /^POST \/containers\/create\?name=runcode-[0-9a-f]{12}-/],
        ["when it starts", /^POST .*\/start/],
        ["when the helper is started", /^POST .*\/exec/],
      ])("%s is given up, by name", async (_, request) => {
        const patient = on.life();
        await patient.create(spec);
        const driver = on.life(3_000);
        on.proxy.asked = (line) => {
          if (request.test(line)) on.proxy.freeze();
        };
        const tried = (async () => {
          await driver.create(spec);
          await driver.start(spec);
        })();
        await expect(tried).rejects.toMatchObject({
          code: "unavailable",
          message: expect.stringContaining("does not answer") as string,
        });
        on.proxy.asked = () => {};
        on.proxy.thaw();
        // What was given up may still be carried out, and later than what comes after it.
        const left = async (): Promise<string[]> => {
          await patient.recover(spec);
          await patient.delete(spec);
          return await on.left();
        };
        await expect.poll(left).toEqual([]);
      });

      test("when a command is asked for, of a workspace that runs, is given up as well", async () => {
        const driver = on.life(3_000);
        await driver.create(spec);
        const sandbox = await driver.start(spec);
        on.proxy.freeze();
        await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject({ code: "unavailable" });
        on.proxy.thaw();
        expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
        on.proxy.freeze();
        await expect(sandbox.stop({ graceMs: 0 })).rejects.toMatchObject({ code: "unavailable" });
        on.proxy.thaw();
        await sandbox.stop({ graceMs: 0 });
        await driver.delete(spec);
      });
    });
  },
  OWN_KINDS,
);
