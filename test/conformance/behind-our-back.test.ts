// What somebody does to a container on the engine itself, past the server.
import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findEngine } from "../../src/server/engine/index.ts";
import type { DriverHealth } from "../../src/server/sandboxes/driver.ts";
import { unlessGone } from "../../src/server/sandboxes/docker/engine-sandbox.ts";
import { removeContainer } from "../../src/server/sandboxes/docker/removal.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { engineProxy } from "../harness/index.ts";
import {
  canFreeze,
  CONTAINERS,
  containersOf,
  driverOn,
  healthOf,
  run,
  stopHelper,
  engineSubject,
  type EngineSubject,
} from "./subjects.ts";

const HEALTH: Partial<Record<string, DriverHealth>> = await healthOf(CONTAINERS);

describeEngines(
  (kind) => `behind our back on ${kind}`,
  (kind, address) => {
    let on: EngineSubject;
    beforeAll(async () => {
      on = await engineSubject(kind, address, { image: BUSYBOX });
    });
    afterAll(async () => await on.close());

    const health = HEALTH[`docker@${kind}`];
    if (health === undefined || canFreeze(health))
      test("what was paused there is said to be, with what to do, and goes on or ends by that", async () => {
        const spec = on.spec();
        await on.driver.create(spec);
        const sandbox = await on.driver.start(spec);
        const [id = ""] = await containersOf(on.engine, on, spec);
        const container = on.engine.api.getContainer(id);
        await container.pause();
        const frozen = {
          code: "conflict",
          message: "it was paused on the engine",
          hint: expect.stringMatching(
            new RegExp(`docker unpause runcode-\\w+-${spec.id}, .*stop it and start it`),
          ) as string,
        };
        await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject(frozen);
        await expect(sandbox.dial({ host: "localhost", port: 1 })).rejects.toMatchObject(frozen);
        await container.unpause();
        expect((await run(sandbox, "echo thawed")).stdout).toBe("thawed\n");
        await container.pause();
        await sandbox.resume();
        expect((await run(sandbox, "echo resumed")).stdout).toBe("resumed\n");
        await container.pause();
        await sandbox.stop();
        expect(await containersOf(on.engine, on, spec)).toEqual([]);
      });

    test("a helper that is slow and not paused is waited for", async () => {
      const proxy = await engineProxy(address);
      const driver = await driverOn(`docker@${kind}`, on.dataDir, { address: proxy.address, image: BUSYBOX });
      const spec = on.spec();
      await driver.create(spec);
      const sandbox = await driver.start(spec);
      const asked = Promise.withResolvers<void>();
      proxy.answered = (line) => {
        if (/^GET \S*\/json/.test(line)) asked.resolve();
      };
      const goOn = await stopHelper(sandbox);
      const outcome = run(sandbox, "echo late");
      await asked.promise;
      await goOn();
      expect((await outcome).stdout).toBe("late\n");
      await sandbox.stop({ graceMs: 0 });
      await driver.close();
      await proxy.close();
    });
  },
);

describe("a container that ends at the moment at which it is to be ended", () => {
  test("is as it should be, also where Podman calls that a failure of its own", async () => {
    const dir = await mkdtemp(path.join(tmpdir(), "runcode-fake-"));
    const message = "container 0123 does not exist in database: no such container";
    const server = createServer((_request, response) => {
      response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ cause: "no such container", message, response: 500 }));
    });
    await new Promise<void>((resolve) => server.listen(path.join(dir, "s"), resolve));
    const engine = await findEngine(`unix://${dir}/s`, { env: {}, home: "/nonexistent" });
    const container = engine.api.getContainer("0123");
    await container.kill({ signal: "SIGKILL" }).catch(unlessGone);
    await container.stop({ t: 1 }).catch(unlessGone);
    await removeContainer(container);
    await engine.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(dir, { recursive: true });
  });
});
