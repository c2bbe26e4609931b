// An engine that is killed while it works for us, and started again on what it had: who waited is told, nothing is left over,
// and the workspace can be used again.
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { describeEngines, OWN_KINDS } from "../harness/engines.ts";
import { bench, spec, type Bench } from "./bench.ts";
import { nap, run, seen } from "./subjects.ts";

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
