// An engine that is killed in the middle of `/start`, or that does not remove what a failed one left: the caller is told, and
// nothing of it stays, neither as a container nor as a workspace.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { RUNTIME_LABEL } from "../../src/protocol/runtime-api.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines, OWN_KINDS } from "../harness/engines.ts";
import {
  engineProxy,
  ownEngine,
  testServer,
  type EngineProxy,
  type OwnEngine,
  type Ran,
  type TestClient,
  type TestServer,
} from "../harness/index.ts";

const CREATE = /^POST \/containers\/create\?name=faulty/;
const START = /^POST \/containers\/[^/]+\/start/;

describeEngines(
  (kind) => `the runtime API over ${kind} that fails in the middle of /start`,
  (kind) => {
    let own: OwnEngine;
    let proxy: EngineProxy;
    let engine: Engine;
    let server: TestServer;
    let client: TestClient;
    beforeAll(async () => {
      own = await ownEngine(kind);
      proxy = await engineProxy(own.address);
      engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
      server = await testServer(["--driver", "process", "--runtime-api", "127.0.0.1:0"], {
        DOCKER_HOST: proxy.address,
      });
      client = await server.client();
      // The first of all brings the helper's volume; what is tried below is what every other one does.
      await client.ok([...start("first")]);
      await client.ok(["delete", "first", "--yes", "--force"]);
    });
    afterEach(() => {
      proxy.asked = () => {};
      proxy.answered = () => {};
    });
    afterAll(async () => {
      await server.close();
      await proxy.close();
      await engine.close();
      await own.close();
    });

    const start = (name: string): string[] => {
      const { runtime_api } = server.facts as typeof server.facts & { runtime_api: string };
      const words = ["runtime", "start", BUSYBOX, "--json", "--runtime-base", runtime_api, "--name", name];
      return [...words, "--", "sleep", "1000"];
    };
    const left = async (): Promise<string[]> => {
      const found = await engine.api.listContainers({ all: true, filters: { label: [RUNTIME_LABEL] } });
      return found.flatMap(({ Names }) => Names);
    };
    const workspaces = async (): Promise<unknown[]> => (await client.ok(["list", "--json"])).json();
    /** Loses one request or answer of this kind, after `first`. The connection breaks, as it does when its other end is killed. */
    const lose = (when: "asked" | "answered", request: RegExp, first: () => Promise<void> = async () => {}): void => {
      let done = false;
      proxy[when] = async (line) => {
        if (done || !request.test(line)) return;
        done = true;
        await first();
        throw new Error("lost");
      };
    };
    const worksAgain = async (): Promise<void> => {
      expect((await client.ok(start("fresh"))).json()).toMatchObject({ status: "running" });
      await client.ok(["delete", "fresh", "--yes", "--force"]);
    };
    const isUnavailable = (ran: Ran): void => expect([ran.exitCode, ran.json()["error"]]).toEqual([6, "unavailable"]);

    test.each([
      ["a container that it has made", CREATE],
      ["a container that it has started", START],
    ])(
      "killed before it answers for %s: nothing is left once it is back, and the next start works",
      async (_, request) => {
        let made: string[] = [];
        lose("answered", request, async () => {
          made = await left();
          await own.kill();
        });
        isUnavailable(await client.run(start("faulty")));
        expect(made).toEqual(["/faulty"]);
        await own.start();
        const met: unknown[] = [];
        const look = async (): Promise<string[]> => {
          met.push(...(await workspaces()));
          return await left();
        };
        await expect.poll(look, { timeout: 60_000 }).toEqual([]);
        // Not even on its way out.
        expect(met).toEqual([]);
        await worksAgain();
      },
    );

    test("one that does not remove what a failed start left is asked again", async () => {
      const broken = [...start("faulty").slice(0, -2), "/no/such/program"];
      lose("asked", /^DELETE \/containers\//);
      expect((await client.run(broken)).exitCode).toBe(5);
      await expect.poll(left, { timeout: 60_000 }).toEqual([]);
      expect(await workspaces()).toEqual([]);
    });

    test("one that makes a container after it was given up has it removed as well", async () => {
      let Labels: Record<string, string> = {};
      lose("answered", CREATE, async () => {
        ({ Labels } = (await engine.api.getContainer("faulty").inspect()).Config);
      });
      isUnavailable(await client.run(start("faulty")));
      await expect.poll(left, { timeout: 60_000 }).toEqual([]);
      const late = await engine.api.createContainer({ name: "faulty", Image: BUSYBOX, Cmd: ["sleep", "1000"], Labels });
      await late.start().catch(() => {});
      await expect.poll(left, { timeout: 60_000 }).toEqual([]);
      expect(await workspaces()).toEqual([]);
    });
  },
  OWN_KINDS,
);
