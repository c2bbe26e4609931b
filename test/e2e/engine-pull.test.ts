// Images that an engine brings from a real registry: what the person who waits sees of it, and every way in which it ends early.
import { execa } from "execa";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { describeEngines } from "../harness/engines.ts";
import {
  BINARY,
  describeWith,
  ownEngine,
  registry,
  testServer,
  type OwnEngine,
  type Registry,
  type TestClient,
  type TestServer,
} from "../harness/index.ts";

describeWith("docker-registry")("an engine with a registry", () => {
  describeEngines(
    (kind) => kind,
    (kind) => {
      let dir: string;
      let open: Registry;
      let closed: Registry;
      let own: OwnEngine;
      let engine: Engine;
      let server: TestServer;
      let client: TestClient;
      const there = async (): Promise<string[]> =>
        (await engine.api.listContainers({ all: true })).flatMap(({ Names }) => Names);

      beforeAll(async () => {
        dir = await mkdtemp(path.join(tmpdir(), "rcpull-"));
        open = await registry();
        closed = await registry({ login: { user: "someone", password: "of-the-registry" } });
        // dockerd takes loopback in the clear as it is; Podman is told.
        const conf = path.join(dir, "registries.conf");
        await writeFile(
          conf,
          [open, closed].map(({ host }) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join(""),
        );
        own = await ownEngine(kind, { env: { CONTAINERS_REGISTRIES_CONF: conf } });
        engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
        server = await testServer(["--driver", "docker", "--engine", own.address, "--engine-network", "none"]);
        client = await server.client();
      });
      afterAll(async () => {
        await server.close();
        await engine.close();
        await own.close();
        await open.close();
        await closed.close();
        await rm(dir, { recursive: true, force: true });
      });

      test("who waits for a workspace sees how far its image is, and then uses it", async () => {
        const image = await open.push();
        const { begun, go } = open.hold();
        const words = ["create", "pulled", "--image", image, "--wait"];
        const waiting = execa(BINARY, words, { env: client.home.env, extendEnv: false, reject: false });
        await begun;
        const told = new Promise<string>((resolve) => {
          let sofar = "";
          waiting.stderr.on("data", (chunk: Buffer) => {
            sofar += chunk.toString();
            if (/pulling \S+, \d+ %/.test(sofar)) resolve(sofar);
          });
        });
        expect(await told).toContain(`pulled is starting: pulling ${image}`);
        go();
        expect((await waiting).exitCode).toBe(0);
        const ran = await client.ok(["exec", "-w", "pulled", "--", "echo", "from the registry"]);
        expect(ran.stdout).toBe("from the registry\n");
        await client.ok(["delete", "pulled", "--yes", "--force"]);
      });

      test("a workspace that is stopped while its image is on the way stops at once, and starts when it is wanted again", async () => {
        const image = await open.push();
        const { begun, go } = open.hold();
        await client.ok(["create", "off", "--image", image, "--start"]);
        await begun;
        const stopped = await client.ok(["stop", "off", "--json"]);
        expect(stopped.json()).toMatchObject({ stopped: true });
        expect(await there()).toEqual([]);
        go();
        await client.ok(["start", "off"]);
        expect((await client.ok(["exec", "-w", "off", "--", "echo", "on"])).stdout).toBe("on\n");
        await client.ok(["delete", "off", "--yes", "--force"]);
      });

      test("an engine that is killed while it pulls leaves a workspace that says so and starts once it is back", async () => {
        const image = await open.push();
        const { begun, go } = open.hold();
        await client.ok(["create", "cut", "--image", image]);
        const starting = client.run(["start", "cut", "--json"]);
        await begun;
        await own.kill();
        const ended = await starting;
        expect(ended.exitCode).toBe(5);
        expect(ended.json()).toMatchObject({
          error: "start_failed",
          message: expect.stringMatching(/does not answer|broke off/) as string,
        });
        go();
        await own.start();
        expect(await there()).toEqual([]);
        await client.ok(["start", "cut"]);
        expect((await client.ok(["exec", "-w", "cut", "--", "echo", "back"])).stdout).toBe("back\n");
        await client.ok(["delete", "cut", "--yes", "--force"]);
      });

      test.each([
        ["a tag that is not there", (image: string) => image.replace(/:1$/, ":2"), /manifest.*unknown|not found/],
        ["a name that is not there", (image: string) => image.replace("/box-", "/no-"), /unknown|not found|denied/],
        ["a registry that is not there", (image: string) => image.replace(/:\d+\//, ":1/"), /refused/],
      ])("%s is told with the registry's own words", async (_, other, words) => {
        const image = other(await open.push());
        const ran = await client.run(["create", "none", "--image", image, "--wait", "--json"]);
        expect(ran.exitCode).toBe(5);
        const { message } = ran.json<{ message: string }>();
        expect(message).toContain(`image ${image} cannot be had`);
        expect(message).toMatch(words);
        await client.ok(["delete", "none", "--yes"]);
        expect(await there()).toEqual([]);
      });

      test("a registry that wants a login says that", async () => {
        const image = await closed.push();
        const ran = await client.run(["create", "shut", "--image", image, "--wait", "--json"]);
        expect(ran.exitCode).toBe(5);
        expect(ran.json<{ message: string }>().message).toMatch(/authentication|auth credentials|unauthorized|denied/i);
        await client.ok(["delete", "shut", "--yes"]);
      });
    },
  );
});
