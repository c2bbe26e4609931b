// Workspaces in containers, from the built program: served, made, reached over ssh, stopped, recovered, deleted.
import { execa } from "execa";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, DEBIAN, describeEngines } from "../harness/engines.ts";
import { killForGood, type Ran, runProgram, type TestClient, testServer, type TestServer } from "../harness/index.ts";

describeEngines(
  (kind) => `workspaces on ${kind}`,
  (kind, address) => {
    const words = ["--driver", "docker,process", "--engine", address, "--image", DEBIAN, "--engine-network", "none"];
    let server: TestServer;
    let client: TestClient;
    let engine: Engine;
    const owners: string[] = [];
    /** A server, and a client of it, whose volumes go in the end. */
    const serve = async (): Promise<{ server: TestServer; client: TestClient; owner: string }> => {
      const server = await testServer(words);
      const owner = (await readFile(path.join(server.facts.data_dir, "engine-owner"), "utf8")).trim();
      owners.push(owner);
      return { server, client: await server.client(), owner };
    };
    const containersOf = async (owner: string, workspace: number): Promise<string[]> => {
      const filters = { label: [`runcode.server=${owner}`, `runcode.workspace=${workspace}`] };
      return (await engine.api.listContainers({ all: true, filters })).map(({ Id }) => Id);
    };
    const remove = async (title: string): Promise<Ran> => await client.run(["delete", title, "--yes", "--force"]);
    /** Makes a workspace for one test and starts it. */
    const create = async (title: string, ...more: string[]): Promise<Ran> => {
      onTestFinished(async () => void (await remove(title)));
      return await client.run(["create", title, "--wait", "--json", ...more]);
    };

    beforeAll(async () => {
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      ({ server, client } = await serve());
      await client.ok(["create", "box", "--wait", "--flavor", "medium"]);
    });
    afterAll(async () => {
      await remove("box");
      await server.close();
      const { Volumes } = await engine.api.listVolumes();
      for (const { Name } of Volumes.filter(({ Name }) => owners.some((owner) => Name.includes(owner))))
        await engine.api.getVolume(Name).remove();
      await engine.close();
    });

    test("the status says which drivers there are and which engines answer", async () => {
      const ran = await runProgram(["serve", "--status", "--json", "--data-dir", server.facts.data_dir], {
        env: client.home.env,
      });
      const status = ran.json<{ drivers: string[]; engines: { url: string; answers: boolean; detail: string }[] }>();
      expect(status.drivers).toEqual(["docker", "process"]);
      const row = status.engines.find(({ url }) => url === address);
      expect(row).toMatchObject({ answers: true, detail: expect.stringContaining(kind) as string });
    });

    test("doctor says whether an engine answers", async () => {
      const ran = await client.run(["doctor", "--json"], { env: { DOCKER_HOST: address } });
      const { checks } = ran.json<{ checks: { name: string; status: string; detail: string }[] }>();
      expect(checks.find(({ name }) => name === "engine")).toMatchObject({
        status: "ok",
        detail: expect.stringContaining(kind) as string,
      });
    });

    test("a workspace runs commands over ssh with their exit codes, and takes files both ways", async () => {
      const ran = await client.run(["exec", "-w", "box", "--", "sh", "-c", "echo out; echo err >&2; cat; exit 7"], {
        stdin: "given",
      });
      expect([ran.exitCode, ran.stdout, ran.stderr]).toEqual([7, "out\ngiven", expect.stringContaining("err")]);
      const file = path.join(client.home.dir, "there");
      await writeFile(file, "x".repeat(3_000_000));
      await client.ok(["put", "--workspace", "box", file, "there"]);
      await client.ok(["get", "--workspace", "box", "there", "--out", `${file}.back`]);
      expect(await readFile(`${file}.back`, "utf8")).toBe("x".repeat(3_000_000));
    });

    test("a large file is received and hashed by the helper's own program, and told of when the disk is full", async () => {
      const receiver = "/.runcode/receive";
      expect((await client.ok(["exec", "-w", "box", "--", `echo abc | ${receiver}`])).stdout).toBe(
        `${new Bun.CryptoHasher("sha256").update("abc\n").digest("hex")}\n`,
      );
      const file = path.join(client.home.dir, "large");
      const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)).buffer);
      await writeFile(file, Buffer.concat(Array.from({ length: 513 }, () => bytes)));
      // What the image has for it is out of the way: an answer is the helper's.
      await client.ok(["exec", "-w", "box", "--", "mkdir -p hidden; mv /usr/bin/*sum hidden"]);
      for (const words of [
        ["put", file, "large"],
        ["get", "large", "--out", `${file}.back`],
      ]) {
        expect((await client.ok([...words, "-w", "box"])).stderr).not.toContain("only sizes were checked");
      }
      await client.ok(["exec", "-w", "box", "--", "mv hidden/* /usr/bin"]);
      expect((await readFile(`${file}.back`)).equals(await readFile(file))).toBe(true);
      await client.ok(["exec", "-w", "box", "--", "head -c 50M /dev/zero >/dev/shm/filler"]);
      const full = await client.run(["put", "-w", "box", file, "/dev/shm/large"]);
      expect([full.exitCode, full.stderr]).toEqual([9, expect.stringMatching(/no space/i)]);
      expect((await client.ok(["exec", "-w", "box", "--", "ls -A /dev/shm; rm /dev/shm/*"])).stdout).toBe("filler\n");
    });

    test("two hundred commands at once in one container all run, each with its own output and exit code", async () => {
      const { config, alias } = (await client.ok(["connect", "box", "--json"])).json<{
        config: string;
        alias: string;
      }>();
      const numbers = Array.from({ length: 200 }, (_, at) => at);
      const ran = await Promise.all(
        numbers.map(
          async (at) =>
            await execa("ssh", ["-F", config, alias, `echo ${at}; sleep 1; exit ${at % 100}`], {
              env: client.home.env,
              extendEnv: false,
              stdin: "ignore",
              reject: false,
            }),
        ),
      );
      expect(ran.map(({ stdout, exitCode }) => [stdout, exitCode])).toEqual(numbers.map((at) => [`${at}`, at % 100]));
    });

    test("files outlive a stop, which leaves no container", async () => {
      const { id } = (await create("stopped")).json<{ id: number }>();
      await client.ok(["exec", "-w", "stopped", "--", "echo kept > there"]);
      const owner = owners[0] as string;
      expect(await containersOf(owner, id)).toHaveLength(1);
      await client.ok(["stop", "stopped"]);
      await expect.poll(async () => await containersOf(owner, id)).toEqual([]);
      await client.ok(["start", "stopped"]);
      expect((await client.ok(["exec", "-w", "stopped", "--", "cat there"])).stdout).toBe("kept\n");
    });

    test("another image is another workspace's choice, and one that nobody has is named", async () => {
      await create("small", "--image", BUSYBOX);
      expect((await client.ok(["exec", "-w", "small", "--", "readlink", "/bin/ls"])).stdout).toContain("busybox");
      const none = await create("none", "--image", "localhost/no-such:1");
      expect(none.exitCode).toBe(5);
      expect(none.stdout + none.stderr).toContain("localhost/no-such:1");
    });

    test("a server that is killed leaves nothing that its next life does not clear up", async () => {
      const { server, client, owner } = await serve();
      onTestFinished(async () => {
        await client.run(["delete", "kept", "--yes", "--force"]);
        await server.close();
      });
      const { id } = (await client.ok(["create", "kept", "--wait", "--json"])).json<{ id: number }>();
      await client.ok(["exec", "-w", "kept", "--", "echo kept > there"]);
      await killForGood(server.facts.pid);
      expect(await containersOf(owner, id)).toHaveLength(1);
      const at = ["--http", new URL(server.facts.api_base).host, "--ssh", `127.0.0.1:${server.facts.ssh.port}`];
      const again = ["serve", "--detach", "--json", "--data-dir", server.facts.data_dir, ...at, ...words];
      expect((await runProgram(again, { env: client.home.env })).exitCode).toBe(0);
      await client.ok(["start", "kept"]);
      expect((await client.ok(["exec", "-w", "kept", "--", "cat there"])).stdout).toBe("kept\n");
      expect(await containersOf(owner, id)).toHaveLength(1);
    });
  },
);
