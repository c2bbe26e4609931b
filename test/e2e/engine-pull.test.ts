// Images that an engine brings from a real registry: what the person who waits sees of it, and every way in which it ends early.
import { execa } from "execa";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { describeEngines, OWN_KINDS } from "../harness/engines.ts";
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
        const words = ["--driver", "docker", "--engine", own.address, "--engine-network", "none"];
        server = await testServer([...words, "--runtime-api", "127.0.0.1:0"]);
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

      test("a runtime's image is pulled as well, and a caller who hangs up in the middle leaves no container", async () => {
        const base = (server.facts as unknown as { runtime_api: string }).runtime_api;
        const image = await open.push();
        const started = await client.ok([
          ...[
            "runtime",
            "start",
            image,
            "--name",
            "of-the-registry",
            "--network",
            "none",
            "--runtime-base",
            base,
            "--json",
          ],
          ...["--", "/bin/busybox", "sleep", "1000"],
        ]);
        expect(started.json()).toMatchObject({ runtime_id: "of-the-registry", image, status: "running" });
        await client.ok(["runtime", "stop", "of-the-registry", "--runtime-base", base]);

        const other = await open.push();
        const { begun, go } = open.hold();
        const caller = new AbortController();
        const asked = fetch(`${base}/start`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ image: other, name: "given-up", network: "none" }),
          signal: caller.signal,
        });
        await begun;
        caller.abort();
        await expect(asked).rejects.toMatchObject({ name: "AbortError" });
        const log = path.join(server.facts.data_dir, "server.log");
        await expect.poll(async () => await readFile(log, "utf8")).toMatch(/POST \/start 499/);
        go();
        expect(await there()).toEqual(["/of-the-registry"]);
        await engine.api.getContainer("of-the-registry").remove({ force: true });
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
    OWN_KINDS,
  );
});
