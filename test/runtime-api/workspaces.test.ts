// A runtime is also a workspace: what the runtime API started is reached by the client and by plain ssh, and what becomes of
// the container, by whoever's doing, becomes of the workspace.
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUNTIME_LABEL } from "../../src/protocol/runtime-api.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, DEBIAN, describeEngines } from "../harness/engines.ts";
import { runProgram, testHome, testServer, type TestClient, type TestHome, type TestServer } from "../harness/index.ts";

const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];

describeEngines(
  (kind) => `a runtime on ${kind} is a workspace`,
  (_, address) => {
    let server: TestServer;
    let base: string;
    let client: TestClient;
    let engine: Engine;
    let mark: string;
    beforeAll(async () => {
      server = await testServer(["--driver", "process", "--runtime-api", "127.0.0.1:0"], { DOCKER_HOST: address });
      base = (server.facts as typeof server.facts & { runtime_api: string }).runtime_api;
      client = await server.client();
      engine = await findEngine(address, { env: {}, home: client.home.dir });
      mark = path.basename(client.home.dir).toLowerCase();
    });
    afterAll(async () => {
      for (const { Id, Labels } of await engine.api.listContainers({
        all: true,
        filters: { label: [RUNTIME_LABEL] },
      })) {
        if (Labels["mark"] === mark) await engine.api.getContainer(Id).remove({ force: true, v: true });
      }
      await server.close();
      await engine.close();
    });

    const start = async (
      name: string,
      command: readonly string[] = POLITE,
      image = BUSYBOX,
      ...more: string[]
    ): Promise<void> => {
      const words = ["runtime", "start", image, "--runtime-base", base, "--name", name, "--label", `mark=${mark}`];
      await client.ok([...words, ...more, "--", ...command]);
    };
    const listed = async (): Promise<{ title: string; state: string; isolation: string }[]> =>
      (await client.ok(["list", "--json"])).json();
    const stateOf = async (title: string): Promise<string | undefined> =>
      (await listed()).find((it) => it.title === title)?.state;

    test("it is connected to, runs commands, takes files, and plain ssh reaches it as well", async () => {
      const name = `dev-${mark}`;
      await start(name, POLITE, DEBIAN);
      expect((await listed()).find(({ title }) => title === name)).toMatchObject({
        state: "running",
        isolation: "container",
      });
      const { config } = (await client.ok(["connect", name, "--json"])).json<{ config: string }>();
      const ran = await client.ok(["exec", "--", "sh", "-c", "hostname; cat /proc/1/comm; exit 0"]);
      expect(ran.stdout).toContain("sh\n");
      expect((await client.run(["exec", "--", "sh", "-c", "exit 7"])).exitCode).toBe(7);
      await writeFile(path.join(client.home.dir, "note.txt"), "for the runtime\n");
      await client.ok(["put", path.join(client.home.dir, "note.txt"), "/tmp/note.txt"]);
      expect(await inside(name, ["cat", "/tmp/note.txt"])).toContain("for the runtime");
      const ssh = await execa("ssh", ["-F", config, `runcode-${name}`, "cat /tmp/note.txt"], {
        env: client.home.env,
        extendEnv: false,
        stdin: "ignore",
      });
      expect(ssh.stdout).toBe("for the runtime");
    });

    /** What the engine itself runs in the container, without any of ours between. */
    const inside = async (name: string, argv: string[]): Promise<string> => {
      const exec = await engine.api.getContainer(name).exec({ Cmd: argv, AttachStdout: true });
      const stream = await exec.start({});
      let text = "";
      for await (const chunk of stream) text += String(chunk);
      return text;
    };

    test("it is entered as the image's own account, and its project directory is where the image works", async () => {
      const name = `who-${mark}`;
      const { id } = await engine.api
        .createContainer({ Image: BUSYBOX, Cmd: ["true"], HostConfig: { NetworkMode: "none" } })
        .then((container) => ({ id: container.id }));
      const [repo, tag] = [`localhost/runcode-who-${mark}`, "latest"];
      try {
        await (engine.api
          .getContainer(id)
          .commit({ repo, tag, changes: "USER 1000\nWORKDIR /tmp" } as never) as unknown as Promise<unknown>);
        await start(name, POLITE, `${repo}:${tag}`);
        await client.ok(["connect", name]);
        expect((await client.ok(["exec", "--", "sh", "-c", "id -u; pwd"])).stdout).toBe("1000\n/tmp\n");
        await client.ok(["delete", name, "--yes", "--force"]);
      } finally {
        await engine.api.getContainer(id).remove({ force: true });
        await engine.api.getImage(`${repo}:${tag}`).remove({ force: true });
      }
    });

    test("paused it takes nobody, and says so at once; resumed it goes on", async () => {
      const name = `ice-${mark}`;
      await start(name);
      await client.ok(["connect", name]);
      await client.ok(["exec", "--", "true"]);
      await client.ok(["runtime", "pause", name, "--runtime-base", base]);
      const refused = await client.run(["exec", "--", "true"]);
      expect([refused.exitCode, refused.stderr]).toEqual([255, expect.stringContaining("paused")]);
      await client.ok(["runtime", "resume", name, "--runtime-base", base]);
      await client.ok(["exec", "--", "true"]);
    });

    test("stopped by the API it is stopped; started as a workspace it is the same container, and runs", async () => {
      const name = `again-${mark}`;
      await start(name);
      const { Id } = await engine.api.getContainer(name).inspect();
      await client.ok(["runtime", "stop", name, "--runtime-base", base]);
      expect(await stateOf(name)).toBe("stopped");
      await client.ok(["connect", name, "--start", "--wait"]);
      await client.ok(["exec", "--", "true"]);
      const now = await engine.api.getContainer(name).inspect();
      expect([now.Id, now.State.Running]).toEqual([Id, true]);
      await client.ok(["stop", name]);
      expect((await engine.api.getContainer(name).inspect()).State.Running).toBe(false);
    });

    test("one that ends by itself says how; one that somebody removes is gone, and so is one that is deleted", async () => {
      const [fails, removed, deleted] = [`fails-${mark}`, `removed-${mark}`, `deleted-${mark}`];
      await start(fails, ["sh", "-c", "sleep 1; exit 3"]);
      await start(removed);
      await start(deleted);
      await engine.api.getContainer(removed).remove({ force: true });
      await expect.poll(() => stateOf(removed), { timeout: 30_000 }).toBeUndefined();
      await expect.poll(() => stateOf(fails), { timeout: 30_000 }).toBe("error");
      await client.ok(["delete", deleted, "--yes", "--force"]);
      await expect(engine.api.getContainer(deleted).inspect()).rejects.toMatchObject({ statusCode: 404 });
      const answer = await fetch(`${server.facts.api_base}/api/rc/workspaces?category=active`, {
        headers: { authorization: `Token ${server.facts.owner_token}` },
      });
      const { data } = (await answer.json()) as { data: { workspaces: { title: string; problem: string }[] } };
      expect(data.workspaces.find(({ title }) => title === fails)?.problem).toContain("exit code 3");
    });

    test("a name that a workspace has, or that is too long for one, gets another title", async () => {
      const taken = `taken-${mark}`;
      await client.ok(["create", taken.toUpperCase()]);
      await start(taken);
      const { Id } = await engine.api.getContainer(taken).inspect();
      expect(await stateOf(`${taken}-${Id.slice(0, 12)}`)).toBe("running");
      const long = `${"l".repeat(80)}-${mark}`;
      await start(long);
      expect(await stateOf(long.slice(0, 63))).toBe("running");
      await client.ok(["connect", long.slice(0, 63)]);
      await client.ok(["exec", "--", "true"]);
    });

    test("nobody makes a workspace of that kind otherwise", async () => {
      const made = await client.run(["create", `no-${mark}`, "--driver", "runtime", "--json"]);
      expect([made.exitCode, made.json()["error"]]).toEqual([2, "bad_request"]);
    });

    test("runtimes outlive the server, and are workspaces again when it is back, as they are by then", async () => {
      const home: TestHome = await testHome();
      const dir = path.join(home.dir, "srv");
      const env = { ...home.env, DOCKER_HOST: address };
      const serve = (...words: string[]) => runProgram(["serve", ...words, "--json", "--data-dir", dir], { env });
      const up = async (): Promise<{ api_base: string; runtime_api: string; owner_token?: string }> =>
        (
          await serve(
            ...["--detach", "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--driver", "process"],
            ...["--runtime-api", "127.0.0.1:0"],
          )
        ).json();
      const [stays, ends] = [`stays-${mark}`, `ends-${mark}`];
      try {
        const first = await up();
        const titles = async (at: string): Promise<Record<string, string>> => {
          const answer = await fetch(`${at}/api/rc/workspaces?category=active`, {
            headers: { authorization: `Token ${first.owner_token}` },
          });
          const { data } = (await answer.json()) as {
            data: { workspaces: { title: string; current_state: string }[] };
          };
          return Object.fromEntries(data.workspaces.map((it) => [it.title, it.current_state]));
        };
        for (const name of [stays, ends]) {
          await client.ok([
            ...["runtime", "start", BUSYBOX, "--runtime-base", first.runtime_api, "--name", name],
            ...["--label", `mark=${mark}`, "--", ...POLITE],
          ]);
        }
        await serve("--stop");
        expect((await engine.api.getContainer(stays).inspect()).State.Running).toBe(true);
        await engine.api.getContainer(ends).stop({ t: 5 });
        const second = await up();
        await expect
          .poll(() => titles(second.api_base), { timeout: 30_000 })
          .toEqual({ [stays]: "running", [ends]: "stopped" });
        expect((await engine.api.getContainer(ends).inspect()).State.Running).toBe(false);
      } finally {
        await serve("--stop");
        await rm(home.dir, { recursive: true, force: true });
      }
    });
  },
);
