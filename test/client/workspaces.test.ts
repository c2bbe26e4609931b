// The commands on workspaces, from the built program against the real server; and what a start looks like that goes wrong.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { waitForRunning, requestStart } from "../../src/api/wait.ts";
import type { ControlPlane } from "../../src/api/control-plane.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { toWorkspace } from "../../src/protocol/workspace.ts";
import { testServer, type TestClient, type TestServer } from "../harness/index.ts";

describe("a workspace", () => {
  let server: TestServer;
  let client: TestClient;
  beforeAll(async () => {
    server = await testServer();
    client = await server.client();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    const all = (await client.ok(["list", "--all", "--json"])).json<{ id: number }[]>();
    for (const { id } of all) await client.ok(["delete", String(id), "--yes", "--force"]);
  });

  const json = async (...words: string[]): Promise<Record<string, unknown>> => {
    const ran = await client.run([...words, "--json"]);
    return Object.assign(ran.json(), { exit: ran.exitCode });
  };

  test("is created, started, connected, stopped and deleted, and is found by id, title and custom title", async () => {
    expect(await json("create", "demo")).toMatchObject({ exit: 0, title: "demo", state: "stopped" });
    const boxed = await json("create", "My Box");
    expect(boxed).toMatchObject({ exit: 0, custom_title: "My Box" });
    expect(await json("start", "my box")).toMatchObject({ exit: 0, id: boxed["id"], state: "running" });
    expect(await json("start", String(boxed["id"]))).toMatchObject({ exit: 0, state: "running" });
    expect(await json("connect", "DEMO")).toMatchObject({
      exit: 5,
      error: "conflict",
      hint: "runcode connect demo --start",
    });
    const connected = await json("connect", "DEMO", "--start", "--wait");
    expect(connected).toMatchObject({
      exit: 0,
      alias: "runcode-demo",
      user: "demo",
      started: true,
      reused: false,
      statusline_installed: false,
      command: ["ssh", "-F", connected["config"], "runcode-demo"],
    });
    expect(await json("stop")).toMatchObject({ exit: 0, stopped: true, detached: true });
    expect(await json("stop")).toMatchObject({ exit: 3, error: "not_attached" });
    expect(await json("stop", "demo", "--keep")).toMatchObject({ exit: 0, detached: false });
    expect(await json("delete", "demo", "--yes")).toMatchObject({ exit: 0, deleted: true });
    expect(await json("delete", "demo", "--yes")).toMatchObject({ exit: 3, error: "not_found" });
  });

  test("that runs is deleted by force only, and its session and attachment go with it", async () => {
    await client.ok(["create", "demo", "--wait"]);
    await client.ok(["connect", "demo", "--wait"]);
    expect(await json("delete", "demo", "--yes")).toMatchObject({
      exit: 5,
      error: "conflict",
      hint: expect.stringContaining("--force"),
    });
    expect(await json("current")).toMatchObject({ exit: 0 });
    expect(await json("delete", "demo", "--yes", "--force")).toMatchObject({ exit: 0 });
    expect(await json("current")).toMatchObject({ exit: 3, error: "not_attached" });
    expect(await json("status")).toMatchObject({ sessions: [] });
  });

  test("is never deleted without being asked for it", async () => {
    await client.ok(["create", "demo"]);
    expect(await json("delete", "demo")).toMatchObject({ exit: 2, error: "usage", hint: "give --yes" });
    expect((await client.run(["delete", "demo", "--no-input"])).exitCode).toBe(2);
    expect((await client.ok(["list", "--json"])).json()).toHaveLength(1);
  });

  test("whose title is taken is a conflict, and a start that has to be waited for may be left alone", async () => {
    await client.ok(["create", "demo"]);
    expect(await json("create", "demo")).toMatchObject({ exit: 5, error: "conflict" });
    const started = await json("start", "demo", "--no-wait");
    expect(started).toMatchObject({ exit: 0 });
    expect(["starting", "running"]).toContain(started["state"]);
  });
});

describe("waiting for a start", () => {
  /** A control plane whose workspace goes through these states, one a look, and stays in the last. */
  function going(...states: string[]): { api: ControlPlane; started: () => number } {
    let look = 0;
    let started = 0;
    const at = (): ReturnType<typeof toWorkspace> =>
      toWorkspace(
        { id: 7, title: "demo", current_state: states[Math.min(look++, states.length - 1)] as string },
        false,
      );
    const missing = (): Promise<never> => Promise.reject(new RuncodeError("not_found", "no such route"));
    const api = {
      get: missing,
      list: async () => [at()],
      start: async () => void started++,
    } as unknown as ControlPlane;
    return { api, started: () => started };
  }
  /** Time passes only by sleeping. */
  const options = (timeoutMs = 60_000): Parameters<typeof waitForRunning>[2] => {
    let now = 0;
    return { timeoutMs, clock: { now: () => now, sleep: async (ms) => void (now += ms) } };
  };
  const outcome = (...states: string[]): Promise<string> =>
    waitForRunning(going(...states).api, 7, options()).then(
      ({ state }) => state,
      (error: unknown) => (error as RuncodeError).code,
    );

  test.each([
    [["stopped", "starting", "starting", "running"], "running"],
    [["starting", "stopped"], "start_failed"],
    [["starting", "error"], "start_failed"],
    [["stopped"], "start_failed"],
    [["starting"], "timeout"],
    [["hibernating"], "timeout"],
    [["running"], "running"],
  ] as const)("%j ends in %s", async (states, end) => {
    expect(await outcome(...states)).toBe(end);
  });

  test("a stop that is still going on is waited out before the start is asked for", async () => {
    const { api, started } = going("stopping", "stopping", "stopped");
    await requestStart(api, 7, options());
    expect(started()).toBe(1);
    const stuck = going("stopping");
    await expect(requestStart(stuck.api, 7, options(1000))).rejects.toMatchObject({ code: "timeout" });
    expect(stuck.started()).toBe(0);
  });
});
