// A server that is killed outright in the middle of `/start`: nobody is left who knows of the container, and its next life
// takes it back all the same, also where the engine carries out only then what it was asked for.
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUNTIME_LABEL } from "../../src/protocol/runtime-api.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { engineProxy, killForGood, runProgram, testHome, type EngineProxy, type TestHome } from "../harness/index.ts";

const CREATE = /^POST \/containers\/create\?name=begun/;
const START = /^POST \/containers\/[^/]+\/start/;

interface Facts {
  readonly pid: number;
  readonly api_base: string;
  readonly runtime_api: string;
  readonly owner_token?: string;
}

describeEngines(
  (kind) => `a server over ${kind} that is killed in the middle of /start`,
  (_, address) => {
    let home: TestHome;
    let proxy: EngineProxy;
    let engine: Engine;
    let facts: Facts;
    let token: string | undefined;
    let mark: string;
    beforeAll(async () => {
      home = await testHome();
      mark = path.basename(home.dir).toLowerCase();
      proxy = await engineProxy(address);
      engine = await findEngine(address, { env: {}, home: home.dir });
      await up();
      token = facts.owner_token;
      expect((await start(`stays-${mark}`)).exitCode).toBe(0);
    });
    afterAll(async () => {
      await serve("--stop");
      for (const { Id } of await mine()) await engine.api.getContainer(Id).remove({ force: true, v: true });
      await engine.close();
      await proxy.close();
      await home.remove();
    });

    const serve = async (...words: string[]) =>
      await runProgram(["serve", ...words, "--json", "--data-dir", path.join(home.dir, "srv")], {
        env: { ...home.env, DOCKER_HOST: proxy.address },
      });
    const up = async (): Promise<void> => {
      const free = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--runtime-api", "127.0.0.1:0"];
      facts = (await serve("--detach", "--driver", "process", ...free)).json<Facts>();
    };
    const start = async (name: string) => {
      const words = ["--runtime-base", facts.runtime_api, "--name", name, "--label", `mark=${mark}`];
      return await runProgram(["runtime", "start", BUSYBOX, ...words, "--", "sleep", "1000"], { env: home.env });
    };
    const mine = async () =>
      await engine.api.listContainers({ all: true, filters: { label: [RUNTIME_LABEL, `mark=${mark}`] } });
    const left = async (): Promise<string[]> => (await mine()).flatMap(({ Names }) => Names);
    const workspaces = async (): Promise<[string, string][]> => {
      const answer = await fetch(`${facts.api_base}/api/rc/workspaces?category=active`, {
        headers: { authorization: `Token ${token}` },
      });
      const { data } = (await answer.json()) as { data: { workspaces: { title: string; current_state: string }[] } };
      return data.workspaces.map(({ title, current_state }) => [title, current_state]);
    };
    /** Kills the server at the first such moment; the engine hears, or has heard, of the request once `then` is over. */
    const killAt = (when: "asked" | "answered", request: RegExp, then: () => Promise<void> = async () => {}) => {
      const over = Promise.withResolvers<void>();
      proxy[when] = async (line) => {
        if (!request.test(line)) return;
        proxy[when] = () => {};
        await killForGood(facts.pid);
        await then().then(over.resolve, over.reject);
      };
      return over.promise;
    };
    const nothingOfItIsLeft = async (): Promise<void> => {
      await expect.poll(left).toEqual([`/stays-${mark}`]);
      await expect.poll(workspaces).toEqual([[`stays-${mark}`, "running"]]);
    };

    test.each([
      ["while the engine makes the container", "asked", CREATE],
      ["when it is made", "answered", CREATE],
      ["when it runs", "answered", START],
    ] as const)("%s: its next life leaves nothing of it, and what ran before", async (_, when, request) => {
      const killed = killAt(when, request);
      expect((await start(`begun-${mark}`)).exitCode).not.toBe(0);
      await killed;
      await expect.poll(left).toContain(`/begun-${mark}`);
      await up();
      await nothingOfItIsLeft();
    });

    test("and whose engine makes the container only when the next life is there: that is taken back as well", async () => {
      const killed = killAt("asked", CREATE, up);
      expect((await start(`begun-${mark}`)).exitCode).not.toBe(0);
      await killed;
      const again = await start(`again-${mark}`);
      expect(again.exitCode).toBe(0);
      await engine.api.getContainer(`again-${mark}`).remove({ force: true });
      await nothingOfItIsLeft();
    });

    test("its names can be used again, and what was started in the end outlives the next kill", async () => {
      expect((await start(`begun-${mark}`)).exitCode).toBe(0);
      await killForGood(facts.pid);
      await up();
      await expect.poll(workspaces).toHaveLength(2);
      expect((await left()).sort()).toEqual([`/begun-${mark}`, `/stays-${mark}`]);
      const before = (await engine.api.getContainer(`begun-${mark}`).inspect()).State;
      expect(before.Running).toBe(true);
      await engine.api.getContainer(`begun-${mark}`).remove({ force: true });
      await nothingOfItIsLeft();
    });
  },
);
