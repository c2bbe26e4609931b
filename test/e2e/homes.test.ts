// What becomes of workspaces' homes on an engine when the server's data directory is copied, restored from a backup or taken to
// another engine, and when the server is killed at work: no file is lost, and nobody gets another one's.
import { execa } from "execa";
import { readFile, rename, rm } from "node:fs/promises";
import { afterEach, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, DEBIAN, describeEngines, ENGINE_KINDS, engineAddress } from "../harness/engines.ts";
import {
  engineProxy,
  killForGood,
  runProgram,
  testServer,
  type EngineProxy,
  type Ran,
  type ServerFacts,
  type TestClient,
  type TestServer,
} from "../harness/index.ts";

interface Listed {
  readonly id: number;
  readonly title: string;
  readonly state: string;
  readonly problem?: string | null;
}

/** A server on an engine, which can be ended and started again on whatever directory. */
interface Bench {
  readonly server: TestServer;
  readonly client: TestClient;
  readonly engine: Engine;
  readonly owner: string;
  readonly dir: string;
  readonly list: () => Promise<Listed[]>;
  readonly run: (title: string, line: string) => Promise<string>;
  /** Starts a server; the same addresses as the first one's on its own directory. */
  readonly serve: (dir?: string, address?: string) => Promise<Ran>;
  readonly stop: (dir?: string) => Promise<void>;
  /** The workspaces that containers and volumes of this server are for. */
  readonly held: () => Promise<number[]>;
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function bench(address: string, at = address): Promise<Bench> {
  const engine = await findEngine(address, { env: {}, home: "/nonexistent" });
  open.push(async () => await engine.close());
  const words = (on: string): string[] => [
    ...["--driver", "docker", "--engine", on, "--image", BUSYBOX, "--engine-network", "none"],
  ];
  const server = await testServer(words(at));
  const client = await server.client();
  const dir = server.facts.data_dir;
  const owner = (await readFile(`${dir}/engine-owner`, "utf8")).trim();
  const mine = { label: [`runcode.server=${owner}`] };
  const volumes = async () =>
    ((await engine.api.listVolumes()).Volumes ?? []).filter(({ Name }) => Name.startsWith(`runcode-${owner}-`));
  open.push(async () => {
    await server.close();
    for (const { Id } of await engine.api.listContainers({ all: true, filters: mine }))
      await engine.api.getContainer(Id).remove({ force: true, v: true });
    for (const { Name } of await volumes()) await engine.api.getVolume(Name).remove();
  });
  return {
    server,
    client,
    engine,
    owner,
    dir,
    list: async () => (await client.ok(["list", "--json"])).json<Listed[]>(),
    run: async (title, line) => (await client.ok(["exec", "-w", title, "--", line])).stdout,
    serve: async (there = dir, on = at) => {
      const { api_base, ssh } = server.facts;
      const own = there === dir ? [new URL(api_base).host, `127.0.0.1:${ssh.port}`] : ["127.0.0.1:0", "127.0.0.1:0"];
      const [http = "", gateway = ""] = own;
      const addresses = ["--data-dir", there, "--http", http, "--ssh", gateway];
      return await runProgram(["serve", "--detach", "--json", ...addresses, ...words(on)], { env: client.home.env });
    },
    stop: async (there = dir) => {
      await runProgram(["serve", "--stop", "--data-dir", there], { env: client.home.env });
    },
    held: async () => {
      const containers = await engine.api.listContainers({ all: true, filters: mine });
      const labels = [...containers, ...(await volumes())].map(({ Labels }) => Labels?.["runcode.workspace"]);
      return [...new Set(labels.flatMap((id) => (id === undefined ? [] : [Number(id)])))].sort((a, b) => a - b);
    },
  };
}

describeEngines(
  (kind) => `homes on ${kind}`,
  (kind, address) => {
    test("a copy of a data directory does not start beside it, says what to do, and takes nothing from it", async () => {
      const on = await bench(address);
      const copy = `${on.dir}-copy`;
      await on.stop();
      await execa("cp", ["-a", on.dir, copy]);
      expect((await on.serve()).exitCode).toBe(0);
      await on.client.ok(["create", "later", "--wait"]);
      await on.run("later", "echo mine > ~/workspace/file");

      const second = await on.serve(copy);
      open.push(async () => await on.stop(copy));
      expect([second.exitCode, second.json()]).toMatchObject([
        9,
        {
          error: "config_invalid",
          message: expect.stringContaining("copy") as string,
          hint: expect.stringContaining(`${copy}/engine-owner`) as string,
        },
      ]);
      expect(await on.run("later", "cat ~/workspace/file")).toBe("mine\n");
      // One that shall live beside the other takes a name of its own.
      await rm(`${copy}/engine-owner`);
      expect((await on.serve(copy)).exitCode).toBe(0);
      expect(await on.run("later", "cat ~/workspace/file")).toBe("mine\n");
      await on.client.ok(["stop", "later"]);
      await on.client.ok(["start", "later"]);
      expect(await on.run("later", "cat ~/workspace/file")).toBe("mine\n");
    });

    test("an older data directory in the place of the present one keeps the homes that it does not know, says so, and gives them to nobody", async () => {
      const on = await bench(address);
      await on.client.ok(["create", "first", "--wait"]);
      await on.run("first", "echo of first > ~/workspace/file");
      await on.stop();
      await execa("cp", ["-a", on.dir, `${on.dir}-backup`]);
      expect((await on.serve()).exitCode).toBe(0);
      await on.client.ok(["create", "later", "--wait"]);
      await on.run("later", "echo of later > ~/workspace/file");
      await on.stop();
      await rm(on.dir, { recursive: true });
      await rename(`${on.dir}-backup`, on.dir);
      expect((await on.serve()).json()).toMatchObject({
        hint: expect.stringContaining("engine-owner-place") as string,
      });
      await rm(`${on.dir}/engine-owner-place`);
      const volume = `runcode-${on.owner}-2-home`;
      const facts = (await on.serve()).json<ServerFacts & { notes: string[] }>();
      expect(facts.notes.join("\n")).toContain(`volume rm ${volume}`);
      expect(await readFile(`${on.dir}/server.log`, "utf8")).toContain(`volume rm ${volume}`);
      await on.client.ok(["start", "first"]);
      expect(await on.run("first", "cat ~/workspace/file")).toBe("of first\n");

      await on.client.ok(["create", "new", "--wait"]);
      expect(await on.run("new", "ls -A ~/workspace")).toBe("");
      expect((await on.list()).map(({ id, title }) => [id, title])).toEqual([
        [1, "first"],
        [3, "new"],
      ]);
      expect(await on.held()).toEqual([1, 2, 3]);
    });

    test("a home that is gone from the engine is an error of the start, and none takes its place", async () => {
      const on = await bench(address);
      await on.client.ok(["create", "box", "--wait"]);
      await on.client.ok(["stop", "box"]);
      const volume = `runcode-${on.owner}-1-home`;
      await on.engine.api.getVolume(volume).remove();
      const ran = await on.client.run(["start", "box", "--json"]);
      expect([ran.exitCode === 0, ran.stdout]).toEqual([false, expect.stringContaining(volume)]);
      expect((await on.list())[0]).toMatchObject({
        state: "error",
        problem: expect.stringContaining(address) as string,
      });
      expect(await on.held()).toEqual([]);
      await on.client.ok(["delete", "box", "--yes", "--force"]);
      expect(await on.list()).toEqual([]);
    });

    test("a server on another engine than before says of its workspaces which engine they are on", async (context) => {
      const other = ENGINE_KINDS.find((one) => one !== kind && engineAddress(one) !== null);
      if (other === undefined) return context.skip("it takes two engines");
      const elsewhere = engineAddress(other) as string;
      const on = await bench(address);
      await on.client.ok(["create", "box", "--wait"]);
      await on.run("box", "echo here > ~/workspace/file");
      await on.stop();
      expect((await on.serve(on.dir, elsewhere)).exitCode).toBe(0);
      open.push(async () => {
        const engine = await findEngine(elsewhere, { env: {}, home: "/nonexistent" });
        for (const { Name } of (await engine.api.listVolumes()).Volumes ?? [])
          if (Name.startsWith(`runcode-${on.owner}-`)) await engine.api.getVolume(Name).remove();
        await engine.close();
      });
      await expect.poll(async () => (await on.list())[0]?.state, { timeout: 30_000 }).toBe("error");
      const [told] = await on.list();
      expect(told?.problem).toContain(`is not on the engine at ${elsewhere}`);
      expect(told?.problem).toContain(`it was made on ${address}`);
      await on.stop();
      expect((await on.serve()).exitCode).toBe(0);
      await expect.poll(async () => (await on.list())[0]?.state, { timeout: 30_000 }).toBe("running");
      expect(await on.run("box", "cat ~/workspace/file")).toBe("here\n");
    });

    test.each([
      ["asks for a volume", "asked", /^POST \/volumes\/create/],
      ["has a volume made", "answered", /^POST \/volumes\/create/],
      ["has a container made", "answered", /^POST \/containers\/create\?name=runcode-[0-9a-f]{12}-\d+/],
      ["has a container started", "answered", /^POST \/containers\/[0-9a-f]+\/start/],
    ] as const)(
      "a server that is killed while it %s leaves nothing that belongs to no workspace",
      async (_, when, request) => {
        const proxy: EngineProxy = await engineProxy(address);
        open.push(async () => await proxy.close());
        const on = await bench(address, proxy.address);
        let done = false;
        proxy[when] = async (line) => {
          if (done || !request.test(line)) return;
          done = true;
          await killForGood(on.server.facts.pid);
        };
        await on.client.run(["create", "box", "--wait", "--json"]);
        expect(done).toBe(true);
        expect((await on.serve()).exitCode).toBe(0);
        // Where the making itself was interrupted, nobody was ever told of a workspace.
        if (kind === "docker" && request.source.includes("volumes")) await expect.poll(on.list).toEqual([]);
        const listed = await on.list();
        await expect.poll(on.held, { timeout: 30_000 }).toEqual(listed.map(({ id }) => id));
        if (listed.length === 0) await on.client.ok(["create", "box", "--wait"]);
        else await on.client.ok(["start", "box"]);
        expect(await on.run("box", "echo works")).toBe("works\n");
        await on.client.ok(["delete", "box", "--yes", "--force"]);
        expect(await on.held()).toEqual([]);
      },
    );

    test("a container that somebody made of a workspace's image is not the workspace's", async () => {
      const on = await bench(address);
      await on.client.ok(["create", "box", "--wait", "--image", DEBIAN]);
      const image = `localhost/runcode-snapshot-${on.owner}`;
      await on.engine.api.getContainer(`runcode-${on.owner}-1`).commit({ repo: image, tag: "latest" });
      const theirs = await on.engine.api.createContainer({
        name: `theirs-${on.owner}`,
        Image: `${image}:latest`,
        Entrypoint: ["/bin/sleep"],
        Cmd: ["10000"],
        HostConfig: { NetworkMode: "none" },
      });
      open.push(async () => {
        await theirs.remove({ force: true });
        await on.engine.api.getImage(`${image}:latest`).remove({ force: true });
      });
      await theirs.start();
      await on.client.ok(["stop", "box"]);
      await on.client.ok(["start", "box"]);
      expect((await theirs.inspect()).State.Running).toBe(true);
      await on.client.ok(["delete", "box", "--yes", "--force"]);
      await on.stop();
      expect((await on.serve()).exitCode).toBe(0);
      await expect.poll(async () => await readFile(`${on.dir}/server.log`, "utf8")).toContain("serving");
      expect((await theirs.inspect()).State.Running).toBe(true);
    });
  },
);
