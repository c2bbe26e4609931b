// An engine that is slow is waited for; one that falls silent is given up, by name, and leaves nothing.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeEngines, OWN_KINDS } from "../harness/engines.ts";
import { bench, spec, type Bench } from "./bench.ts";
import { run } from "./subjects.ts";

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
