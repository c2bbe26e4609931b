// Commands of workspaces that are containers: odd images, and what goes away while they run.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Driver, DriverHealth, Sandbox, SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { startWorkspace } from "../../src/server/sandboxes/workspace.ts";
import { BUSYBOX, DEBIAN, describeEngines } from "../harness/engines.ts";
import { bareImage, importImage } from "./images.ts";
import { CONTAINERS, driverOn, healthOf, run, engineSubject, type EngineSubject } from "./subjects.ts";

/** Stands between a driver and its engine, and can be gone for a while. */
class Between {
  readonly #engine: string;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  constructor(engine: string, at: string) {
    this.#engine = engine.replace("unix://", "");
    this.#path = at;
  }

  async come(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ path: this.#engine, allowHalfOpen: true });
      for (const socket of [near, far]) this.#sockets.add(socket.on("error", () => {}));
      near.pipe(far).pipe(near);
      near.once("close", () => far.destroy());
      far.once("close", () => near.destroy());
    }).listen(this.#path);
    await once(this.#server, "listening");
  }

  async go(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await closed;
  }
}

/** By name, of those that are here. */
const HEALTH: Partial<Record<string, DriverHealth>> = await healthOf(CONTAINERS);

describeEngines(
  (kind) => `the command of a workspace on ${kind}`,
  (kind, address) => {
    let on: EngineSubject;
    beforeAll(async () => {
      on = await engineSubject(kind, address);
    });
    afterAll(async () => await on.close());

    const made = async (more: Partial<SandboxSpec>, driver: Driver = on.driver): Promise<SandboxSpec> => {
      const spec = { ...on.spec(), ...more };
      await driver.create(spec);
      return spec;
    };
    const containers = async ({ id }: SandboxSpec): Promise<string[]> => {
      const owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
      const label = [`runcode.server=${owner}`, `runcode.workspace=${id}`];
      return (await on.engine.api.listContainers({ all: true, filters: { label } })).map(({ Id }) => Id);
    };
    const fails = async (spec: SandboxSpec): Promise<unknown> => {
      const error = await startWorkspace(on.driver, spec).catch((thrown: unknown) => thrown);
      expect(await containers(spec)).toEqual([]);
      return error;
    };

    test("needs no shell in the image where it is a program, and says so where it is a line", async () => {
      const image = await bareImage(on.engine);
      const sandbox = await startWorkspace(on.driver, await made({ image, command: ["/opt/sleep", "inf"] }));
      expect((await run(sandbox, ["/opt/echo", "beside it"])).stdout).toBe("beside it\n");
      await sandbox.stop({ graceMs: 0 });
      expect(await fails(await made({ image, command: "sleep inf" }))).toMatchObject({
        message: "its command ended with exit code 127, not found",
        output: expect.stringContaining("/bin/sh"),
      });
    });

    test("is the image's user's, with the image's variables under the workspace's", async () => {
      const busybox = Buffer.from(await Bun.file("/bin/busybox").arrayBuffer());
      const files = { "bin/sh": busybox, "bin/id": busybox };
      const changes = ["USER 1234", "ENV FROM_IMAGE=kept", "ENV BOTH=image"];
      const image = await importImage(on.engine, "runcode-given-user", files, changes);
      const spec = await made({
        image,
        environment: { BOTH: "given" },
        command: "id -u; echo $FROM_IMAGE; echo $BOTH; exit 1",
      });
      expect(await fails(spec)).toMatchObject({ output: "1234 | kept | given" });
    });

    if (HEALTH[`docker@${kind}`]?.enforces.memory !== false)
      test("is ended for want of memory, and the workspace says so", async () => {
        const limits = { memoryBytes: 96 * 1024 * 1024 };
        const command = ["/usr/bin/python3", "-c", "x = b'x' * 400_000_000"];
        expect(await fails(await made({ image: DEBIAN, limits, command }))).toMatchObject({
          message: "its command was ended by signal KILL",
          output: expect.stringContaining("memory is used up"),
        });
      });

    const lasting = async (driver?: Driver): Promise<{ spec: SandboxSpec; sandbox: Sandbox }> => {
      const spec = await made({ image: BUSYBOX, command: ["sleep", "inf"] }, driver);
      return { spec, sandbox: await startWorkspace(driver ?? on.driver, spec) };
    };

    test("that goes with its container is not what the workspace ended by", async () => {
      const { spec, sandbox } = await lasting();
      const [id = ""] = await containers(spec);
      await on.engine.api.getContainer(id).remove({ force: true });
      expect((await sandbox.ended).reason).toMatch(/container was removed|first process ended/);
    });

    test("that goes with the helper takes the workspace along, and its container", async () => {
      const { spec, sandbox } = await lasting();
      await run(sandbox, "kill -KILL $PPID").catch(() => {});
      expect(await sandbox.ended).toEqual({ reason: "its command was ended by signal KILL" });
      expect(await containers(spec)).toEqual([]);
    });

    test("that was lost with the engine ends the workspace once the engine is back, and leaves no container", async () => {
      const between = new Between(address, path.join(on.dataDir, "between"));
      await between.come();
      const through = await driverOn(`docker@${kind}`, on.dataDir, {
        address: `unix://${path.join(on.dataDir, "between")}`,
      });
      // The first try to end the container has failed by the time the engine is back.
      const tried = Promise.withResolvers<void>();
      const start = through.start.bind(through);
      through.start = async (...of) => {
        const started = await start(...of);
        const stop = started.stop.bind(started);
        started.stop = async (how) => await stop(how).finally(tried.resolve);
        return started;
      };
      const { spec, sandbox } = await lasting(through);
      let over = false;
      void sandbox.ended.then(() => (over = true));
      const held = await sandbox.exec({ command: ["cat"] });
      await between.go();
      expect(await held.exited).toMatchObject({ signal: "KILL" });
      await tried.promise;
      expect(await containers(spec)).toHaveLength(1);
      expect(over).toBe(false);
      await between.come();
      expect(await sandbox.ended).toEqual({ reason: "its command was ended by signal KILL" });
      expect(await containers(spec)).toEqual([]);
      await between.go();
      await through.close();
    });
  },
);
