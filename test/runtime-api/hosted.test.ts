// The hosted contract, as OpenHands' remote runtime speaks it, over real engines.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BUSYBOX, describeEngines, ENGINE_KINDS, HARDENED } from "../harness/engines.ts";
import type { Answer } from "../server/plane.ts";
import { NO_ENGINE, TEST_LABEL, testApi, type TestApi } from "./api.ts";

const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];
const KEY = "k".repeat(32);

describe("the hosted contract without an engine", () => {
  let t: TestApi;
  beforeEach(async () => void (t = await testApi(NO_ENGINE, { flavor: "hosted", key: KEY })));
  afterEach(() => t.close());

  test("wants the key, and a session for each runtime", async () => {
    expect((await t.ask("GET", "/sessions/s")).status).toBe(401);
    const missing = await t.ask("POST", "/start", { image: "i" }, { "x-api-key": KEY });
    expect([missing.status, missing.json.detail]).toEqual([
      422,
      [{ type: "missing", loc: ["body", "session_id"], msg: "Field required", input: { image: "i" } }],
    ]);
    const unknown = { image: "i", session_id: "s", runtime_class: "privileged" };
    expect((await t.ask("POST", "/start", unknown, { "x-api-key": KEY })).status).toBe(422);
    expect((await t.ask("GET", "/image_exists", undefined, { "x-api-key": KEY })).status).toBe(422);
    expect((await t.ask("GET", "/sessions/s", undefined, { "x-api-key": KEY })).status).toBe(503);
    const prefix = await t.ask("GET", "/registry_prefix", undefined, { "x-api-key": KEY });
    expect(prefix.json).toEqual({ registry_prefix: "localhost" });
  });

  test("describes itself, and nothing of the other contract", async () => {
    const { json } = await t.ask("GET", "/openapi.json");
    expect(Object.keys(json.paths)).toContain("/sessions/{session_id}");
    expect(json.components.securitySchemes.key).toEqual({ type: "apiKey", in: "header", name: "X-API-Key" });
    expect(json.components.schemas.StartRuntimeRequest).toBeUndefined();
  });
});

describeEngines(
  (kind) => `the hosted contract over ${kind}`,
  (kind, address) => {
    // Docker without a bridge has no network on which a runtime could have an address.
    const ports = kind !== "docker";
    let t: TestApi;
    let session: string;
    beforeEach(async () => {
      t = await testApi(address, { flavor: "hosted" });
      session = `session-${Math.random().toString(36).slice(2)}`;
    });
    afterEach(() => t.close());
    const start = (more: object = {}): Promise<Answer> =>
      t.ask("POST", "/start", {
        image: BUSYBOX,
        command: POLITE,
        working_dir: "/tmp",
        environment: { A: "b" },
        session_id: session,
        resource_factor: 2,
        run_as_user: 1000,
        run_as_group: 1000,
        ...more,
      });

    test("a session's runtime is started, found, paused, resumed, stopped and gone", async () => {
      const started = await start();
      expect(started.status).toBe(ports ? 200 : 400);
      if (!ports) {
        // Then there is none, and nothing is left.
        expect(started.json.detail).toContain("no network");
        expect((await t.ask("GET", `/sessions/${session}`)).status).toBe(404);
        return;
      }
      expect(started.json).toEqual({
        runtime_id: expect.stringMatching(/^runtime-[0-9a-f]{12}$/),
        session_id: session,
        image: BUSYBOX,
        status: "running",
        pod_status: "ready",
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        session_api_key: expect.stringMatching(/^[0-9a-f]{64}$/),
        work_hosts: expect.anything(),
        restart_count: 0,
      });
      expect(Object.values(started.json.work_hosts)).toEqual([12_000, 12_001]);
      const { runtime_id } = started.json;
      const { Config } = await t.engine.api.getContainer(runtime_id).inspect();
      expect([Config.User, Config.WorkingDir]).toEqual(["1000:1000", "/tmp"]);
      const key = started.json.session_api_key;
      expect(Config.Env).toEqual(
        expect.arrayContaining(["A=b", `SESSION_API_KEY=${key}`, `OH_SESSION_API_KEYS_0=${key}`]),
      );

      expect((await start()).json.runtime_id).toBe(runtime_id);
      for (const path of [`/sessions/${session}`, `/runtime/${runtime_id}`]) {
        expect((await t.ask("GET", path)).json).toEqual(started.json);
      }
      expect((await t.ask("GET", `/sessions/batch?ids=${session}&ids=nobody`)).json).toEqual([started.json]);
      expect((await t.ask("GET", "/list")).json.runtimes).toContainEqual(started.json);
      expect((await t.ask("POST", "/pause", { runtime_id })).json).toMatchObject({ status: "paused" });
      expect((await t.ask("POST", "/resume", { runtime_id })).json).toEqual(started.json);
      expect((await t.ask("POST", "/stop", { runtime_id })).json).toMatchObject({ status: "stopped" });
      expect((await t.ask("GET", `/sessions/${session}`)).status).toBe(404);
      expect((await t.ask("POST", "/stop", { runtime_id })).status).toBe(404);
      expect(t.log.join("\n")).not.toContain(key);
    });

    test("asked for five times at once, a session has one runtime, and all five are told of it", async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => start()));
      const filters = { label: [`runcode.session=${session}`] };
      const there = await t.engine.api.listContainers({ all: true, filters });
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect([answers[0]?.status, there.length]).toEqual(ports ? [200, 1] : [400, 0]);
    });

    test("a session whose container has ended is started again, with its key and its files", async () => {
      const command = ["sh", "-c", `[ -e /here ] && echo kept; echo >/here; ${POLITE[2]}`];
      const first = await start({ command, run_as_user: null, run_as_group: null, working_dir: null });
      if (!ports) return;
      const container = t.engine.api.getContainer(first.json.runtime_id);
      await container.kill();
      await expect.poll(async () => (await container.inspect()).State.Running, { timeout: 30_000 }).toBe(false);
      const again = await start();
      const { runtime_id, session_api_key } = first.json;
      expect([again.status, again.json]).toEqual([
        200,
        expect.objectContaining({ runtime_id, session_api_key, status: "running" }),
      ]);
      const log = async (): Promise<string> => String(await container.logs({ stdout: true }));
      await expect.poll(log, { timeout: 30_000 }).toContain("kept");
    });

    test("what is not a session of this server is not found, and goes on: not another server's, not by the beginning of an id", async () => {
      if (!ports) return;
      const { runtime_id } = (await start()).json;
      const { Id } = await t.engine.api.getContainer(runtime_id).inspect();
      const other = await testApi(address, { flavor: "hosted" });
      const open = await testApi(address);
      try {
        const plain = await open.ask("POST", "/start", { image: BUSYBOX, command: POLITE });
        const own = { [TEST_LABEL]: "nobody", "openhands.runtime_id": session };
        const compatible = await t.engine.api.createContainer({ Image: BUSYBOX, Cmd: POLITE, Labels: own });
        await compatible.start();
        for (const verb of ["pause", "resume", "stop"]) {
          const refused = async (through: TestApi, id: string): Promise<void> =>
            expect((await through.ask("POST", `/${verb}`, { runtime_id: id })).status).toBe(404);
          await refused(other, runtime_id);
          await refused(other, Id);
          await refused(open, runtime_id);
          await refused(t, Id.slice(0, 12));
          await refused(t, plain.json.runtime_id);
          await refused(t, compatible.id);
        }
        expect((await compatible.inspect()).State.Running).toBe(true);
        await compatible.remove({ force: true });
        expect((await other.ask("GET", `/sessions/${session}`)).status).toBe(404);
        expect((await other.ask("GET", "/list")).text).not.toContain(runtime_id);
        expect((await t.ask("GET", `/sessions/${session}`)).json).toMatchObject({ runtime_id, status: "running" });
      } finally {
        await open.close();
        await other.close();
      }
    });

    test("says which images the engine has, and asks it for nothing else", async () => {
      expect((await t.ask("GET", `/image_exists?image=${BUSYBOX}`)).json).toEqual({ exists: true });
      expect((await t.ask("GET", "/image_exists?image=localhost/nothing")).json).toEqual({ exists: false });
      expect((await t.ask("GET", "/image_exists?image=../containers/x")).json).toEqual({ exists: false });
    });
  },
  [...ENGINE_KINDS, ...HARDENED],
);
