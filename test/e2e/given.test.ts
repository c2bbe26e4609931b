// Workspaces with a command, variables and labels, from the built program to the processes: under each driver and engine.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { DEBIAN, describeEngines } from "../harness/engines.ts";
import { type TestClient, testServer, type TestServer } from "../harness/index.ts";

const SECRET = "secret-value-of-mine";
const KEY = { env: { API_KEY: SECRET } };

interface Listed {
  readonly id: number;
  readonly title: string;
}

interface On {
  readonly server: TestServer;
  readonly client: TestClient;
  readonly listed: (title: string) => Promise<Listed | undefined>;
}

/** Runs the tests on a server that was started with these words; `more` may add some of its own. What one made is gone for the next. */
function given(words: readonly string[], more: (on: () => On) => void): void {
  let server: TestServer;
  let client: TestClient;
  beforeAll(async () => {
    server = await testServer(words);
    client = await server.client();
  });
  afterEach(async () => {
    for (const { title } of await all()) await client.ok(["delete", title, "--yes", "--force"]);
  });
  afterAll(async () => await server.close());
  const all = async (): Promise<Listed[]> => (await client.ok(["list", "--json"])).json();
  const listed = async (title: string): Promise<Listed | undefined> => (await all()).find((one) => one.title === title);

  test("a command runs beside the sessions with the variables that both have, again after a stop", async () => {
    const command =
      "echo run >> ~/runs; printenv API_KEY > ~/key; trap 'echo told >> ~/runs; exit' TERM; while :; do sleep 0.05; done";
    const flags = ["--env", "API_KEY", "--env", "MODE=test", "--label", "team=search", "--wait", "--json"];
    const made = await client.ok(["create", "web", ...flags, "--", command], KEY);
    expect(made.json()).toMatchObject({ title: "web", state: "running", labels: { team: "search" } });
    await client.ok(["connect", "web"]);
    const seen = await client.ok(["exec", "--", "cat ~/key; echo $API_KEY $MODE"]);
    expect(seen.stdout).toBe(`${SECRET}\n${SECRET} test\n`);
    await client.ok(["stop", "web", "--keep"]);
    await client.ok(["start", "web"]);
    const runs = await client.ok(["exec", "--workspace", "web", "--", "cat ~/runs"]);
    expect(runs.stdout).toBe("run\ntold\nrun\n");
  });

  test("a stop is over when it is told, also where the command takes its time", async () => {
    // Longer than a start is waited for.
    const command = "trap 'sleep 6; echo over > ~/over; exit' TERM; while :; do sleep 0.05; done";
    await client.ok(["create", "slow", "--wait", "--", command]);
    await client.ok(["stop", "slow"]);
    expect(await listed("slow")).toMatchObject({ state: "stopped" });
    await client.ok(["start", "slow", "--no-command"]);
    expect((await client.ok(["exec", "--workspace", "slow", "--", "cat ~/over"])).stdout).toBe("over\n");
  });

  more(() => ({ server, client, listed }));

  test("what ends at once is a start that failed, by its code and its last words", async () => {
    const ran = await client.run(["create", "ends", "--wait", "--json", "--", "echo so it ends; exit 9"]);
    expect([ran.exitCode, ran.json()]).toEqual([
      5,
      {
        error: "start_failed",
        message: "workspace ends did not start: its command ended with exit code 9; it last wrote: so it ends",
      },
    ]);
    expect(await listed("ends")).toMatchObject({
      state: "error",
      problem: "its command ended with exit code 9; it last wrote: so it ends",
    });
    const again = await client.run(["start", "ends"]);
    expect([again.exitCode, again.stderr]).toEqual([
      5,
      expect.stringContaining("exit code 9; it last wrote: so it ends"),
    ]);
    await client.ok(["start", "ends", "--no-command"]);
    await client.ok(["connect", "ends"]);
    expect((await client.ok(["exec", "--workspace", "ends", "--", "echo in"])).stdout).toBe("in\n");
    await client.ok(["stop", "ends"]);
    // It is left out once, not from now on.
    expect((await client.run(["start", "ends"])).exitCode).toBe(5);
  });

  test("what is not there is said not to be there", async () => {
    const ran = await client.run(["create", "absent", "--wait", "--json", "--", "no-such-program"]);
    expect([ran.exitCode, ran.json()["message"]]).toEqual([
      5,
      expect.stringMatching(/127, not found; .*no-such-program/),
    ]);
  });

  test("the workspace ends when its command does, and says so", async () => {
    const command = "until [ -e ~/enough ]; do sleep 0.05; done; echo over; exit 4";
    await client.ok(["create", "over", "--wait", "--", command]);
    await client.run(["exec", "--workspace", "over", "--", "touch ~/enough"]);
    await expect
      .poll(async () => await listed("over"), { timeout: 30_000 })
      .toMatchObject({ problem: "it ended by itself: its command ended with exit code 4; it last wrote: over" });
    expect((await client.ok(["list"])).stdout).toContain("exit code 4; it last wrote: over");
  });

  test("a value is in no answer, no page of the server's, and no log", async () => {
    const answers = [
      await client.ok(["create", "secretive", "--env", "API_KEY", "--wait", "--json"], KEY),
      await client.ok(["list", "--all", "--json"]),
      await client.ok(["list"]),
      await client.run(["start", "secretive", "--json"]),
      await client.run(["create", "secretive", "--env", "API_KEY", "--json"], KEY),
      await client.run(["create", "other", "--env", "API_KEY", "--env", "HOME=/x", "--json"], KEY),
      await client.run(["create", "other", "--env", `API_KEY=${SECRET}${"x".repeat(40_000)}`, "--json"]),
    ];
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0, 5, 2, 2]);
    const headers = { authorization: `Token ${server.facts.owner_token}` };
    const raw = await (await fetch(`${server.facts.api_base}/api/rc/workspaces`, { headers })).text();
    expect(raw).toContain("API_KEY");
    const { data_dir } = server.facts;
    const logs = (await readdir(data_dir)).filter((name) => name.endsWith(".log"));
    const logged = await Promise.all(logs.map(async (name) => await readFile(path.join(data_dir, name), "utf8")));
    expect(logged.join()).toContain("workspace secretive: running");
    expect([raw, ...logged, ...answers.map(({ stdout, stderr }) => stdout + stderr)].join()).not.toContain(SECRET);
  });
}

describe("what a workspace in namespaces is given", () => given(["--driver", "namespace"], () => {}));

describeEngines(
  (kind) => `what a workspace on ${kind} is given`,
  (_kind, address) => {
    let engine: Engine;
    let owner: string;
    beforeAll(async () => void (engine = await findEngine(address, { env: {}, home: "/nonexistent" })));
    afterAll(async () => {
      const { Volumes } = await engine.api.listVolumes();
      for (const { Name } of Volumes.filter(({ Name }) => Name.includes(owner)))
        await engine.api.getVolume(Name).remove();
      await engine.close();
    });

    given(["--driver", "docker", "--engine", address, "--image", DEBIAN, "--engine-network", "none"], (on) => {
      beforeAll(async () => {
        owner = (await readFile(path.join(on().server.facts.data_dir, "engine-owner"), "utf8")).trim();
      });
      const containersOf = async (id: number) => {
        const filters = { label: [`runcode.server=${owner}`, `runcode.workspace=${id}`] };
        return await engine.api.listContainers({ all: true, filters });
      };

      test("its container has the labels, and nothing of the variables or the command", async () => {
        const flags = ["--env", "API_KEY", "--env", "MODE=test", "--label", "team=search", "--wait", "--json"];
        const made = await on().client.ok(["create", "labelled", ...flags, "--", "exec sleep inf"], KEY);
        const { id } = made.json<Listed>();
        const [found, ...others] = await containersOf(id);
        expect(others).toEqual([]);
        const { Config, Args } = await engine.api.getContainer(found?.Id ?? "").inspect();
        expect(Config.Labels).toMatchObject({ team: "search", "runcode.server": owner, "runcode.workspace": `${id}` });
        expect(JSON.stringify([Config, Args])).not.toMatch(/API_KEY|secret-value|MODE|sleep/);
      });

      test("one whose command ends at once leaves no container", async () => {
        const { client, listed } = on();
        expect((await client.run(["create", "brief", "--wait", "--", "exit 9"])).exitCode).toBe(5);
        const brief = await listed("brief");
        expect(brief).toMatchObject({ state: "error" });
        expect(await containersOf(brief?.id as number)).toEqual([]);
      });

      test("a label that the server goes by, or another's tool, is refused", async () => {
        for (const label of ["runcode.server=0123456789ab", "openhands.runtime_id=x", "com.docker.compose.project=x"]) {
          const ran = await on().client.run(["create", "refused", "--label", label, "--json"]);
          expect(ran.json()).toMatchObject({ error: "bad_request", message: expect.stringContaining("is reserved") });
        }
      });
    });
  },
);
