// The client, against real listeners: this server's over real engines, and some that mean no good.
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  createRuntimeClient,
  RuntimeError,
  RuntimeInvalid,
  RuntimeNotFound,
  RuntimeRefused,
  RuntimeUnauthorized,
  RuntimeUnavailable,
  type RuntimeClient,
} from "../../src/runtime-client/index.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { runProgram } from "../harness/index.ts";
import { NO_ENGINE, testApi, type TestApi } from "./api.ts";
import { silentServer } from "./silent.ts";

const KEY = "k".repeat(32);
const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];

let open: Bun.Server<undefined> | undefined;
afterEach(() => open?.stop(true));
const at = (fetch: (request: Request) => Response | Promise<Response>): string => {
  open = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch });
  return `http://127.0.0.1:${open.port}`;
};
const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "done",
    (error: unknown) => error,
  );

describe("a client whose server is not what it should be", () => {
  test.each([
    ["nobody listens", null, RuntimeUnavailable, "network"],
    ["it answers no JSON", () => new Response("<html>"), RuntimeError, "http_error"],
    ["it answers another shape", () => Response.json({ runtimes: [{}] }), RuntimeError, "http_error"],
    ["it fails without a word", () => new Response("", { status: 500 }), RuntimeError, "http_error"],
    ["it leads elsewhere", () => Response.redirect("http://127.0.0.1:9/"), RuntimeError, "http_error"],
    ["it has no engine", () => Response.json({ detail: "none" }, { status: 503 }), RuntimeUnavailable, "unavailable"],
    ["it wants a key", () => Response.json({ detail: "no" }, { status: 401 }), RuntimeUnauthorized, "unauthorized"],
  ])("%s", async (_, answer, kind, code) => {
    const base = answer ? at(answer) : "http://127.0.0.1:9";
    const error = await failure(createRuntimeClient({ base }).listRuntimes());
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code });
  });

  test("one of the hosted contract is told as that", async () => {
    const base = at(() => Response.json({ runtimes: [{ runtime_id: "x", pod_status: "ready" }] }));
    const error = await failure(createRuntimeClient({ base }).listRuntimes());
    expect(error).toMatchObject({ code: "http_error", message: expect.stringContaining("hosted contract") });
  });

  test("the key goes nowhere else, and no answer is waited for without end", async () => {
    const seen: (string | null)[] = [];
    const elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => (seen.push(request.headers.get("x-api-key")), Response.json({ runtimes: [] })),
    });
    try {
      const base = at(() => Response.redirect(`http://127.0.0.1:${elsewhere.port}/list`, 307));
      await expect(createRuntimeClient({ base, key: KEY }).listRuntimes()).rejects.toThrow("307");
      expect(seen).toEqual([]);
    } finally {
      await elsewhere.stop(true);
    }
    await open?.stop(true);
    const silent = at(() => new Promise<Response>(() => {}));
    const error = await failure(createRuntimeClient({ base: silent }).listRuntimes({ timeoutMs: 50 }));
    expect(error).toMatchObject({ name: "RuntimeUnavailable", code: "timeout" });
  });

  test.each([
    "http://192.0.2.1:8090",
    "ftp://127.0.0.1",
    "127.0.0.1:8090",
    "http://user:pw@127.0.0.1",
    "http://127.0.0.1/?a",
  ])("%s is refused before anything is sent with a key", (base) =>
    expect(() => createRuntimeClient({ base, key: KEY })).toThrow(RuntimeError),
  );

  test("a stop is waited for as long as the runtime may take, and longer", async () => {
    const asked: unknown[] = [];
    const base = at(async (request) => {
      asked.push(await request.json());
      return Response.json({ runtime_id: "x", container_id: "y", status: "exited", message: "" });
    });
    await createRuntimeClient({ base }).stopRuntime("x", { graceSeconds: 3600 });
    await createRuntimeClient({ base }).stopRuntime("x");
    expect(asked).toEqual([{ runtime_id: "x", timeout: 3600 }, { runtime_id: "x" }]);
  });
});

describe("how long a call is waited for", () => {
  test("the built program waits as long as it says, whatever the limits of fetch are", async () => {
    const silent = silentServer();
    const env = { BUN_CONFIG_HTTP_IDLE_TIMEOUT: "1", RUNCODE_RUNTIME_BASE: silent.base };
    try {
      const calls = [
        runProgram(["runtime", "start", "i", "--timeout", "8m", "--json"], { env }),
        runProgram(["runtime", "stop", "x", "--grace", "600", "--json"], { env }),
      ];
      await silent.asked(calls.length);
      // The same program's own fetch, under the same limit.
      const impatient = `await fetch(${JSON.stringify(`${silent.base}/silent`)}).then(() => "answered", () => "gave up")`;
      const { stdout } = await execa(process.execPath, ["-p", impatient], { env });
      expect(stdout).toBe("gave up");
      silent.answer();
      for (const ran of await Promise.all(calls)) expect(ran.json()).toMatchObject({ status: "exited" });
    } finally {
      await silent.close();
    }
  });

  test.each([
    ["without end", { timeoutMs: Infinity }],
    ["longer than any timer", { timeoutMs: 1e15 }],
    ["for a grace that is longer than any timer", { graceSeconds: 5e9 }],
  ])("%s is a time to wait", async (_, options) => {
    const silent = silentServer();
    try {
      silent.answer();
      const stopped = await createRuntimeClient({ base: silent.base }).stopRuntime("x", options);
      expect(stopped.status).toBe("exited");
    } finally {
      await silent.close();
    }
  });

  test.each([{ timeoutMs: Number.NaN }, { timeoutMs: -1 }, { graceSeconds: Infinity }, { graceSeconds: -1 }])(
    "%j is none, and an error of ours",
    async (options) => {
      const error = await failure(createRuntimeClient({ base: "http://127.0.0.1:9" }).stopRuntime("x", options));
      expect(error).toBeInstanceOf(RuntimeError);
      expect(error).toMatchObject({ code: "usage" });
    },
  );

  test("a start that is given up says what became of it, which is not what became of a stop", async () => {
    const base = at(() => new Promise<Response>(() => {}));
    const client = createRuntimeClient({ base });
    const hint = async (work: Promise<unknown>): Promise<unknown> => ((await failure(work)) as RuntimeError).hint;
    expect(await hint(client.startRuntime({ image: "i" }, { timeoutMs: 20 }))).toContain("given up what it had begun");
    expect(await hint(client.stopRuntime("x", { timeoutMs: 20 }))).toContain("may still do");
  });
});

test("without an engine it throws RuntimeUnavailable, with the server's reason", async () => {
  const t = await testApi(NO_ENGINE);
  try {
    const client = createRuntimeClient({ base: at((request) => t.app.fetch(request)) });
    const error = await failure(client.startRuntime({ image: "i" }));
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(error).toMatchObject({ status: 503, message: expect.stringContaining("does not answer") });
  } finally {
    await t.close();
  }
});

describeEngines(
  (kind) => `the client over ${kind}`,
  (_, address) => {
    let t: TestApi;
    let server: Bun.Server<undefined>;
    let client: RuntimeClient;
    beforeAll(async () => {
      t = await testApi(address, { key: KEY });
      server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: (request) => t.app.fetch(request) });
      client = createRuntimeClient({ base: `http://127.0.0.1:${server.port}`, key: KEY });
    });
    afterAll(async () => {
      await server.stop(true);
      await t.close();
    });

    test("starts, pauses, resumes, lists and stops", async () => {
      const started = await client.startRuntime({ image: BUSYBOX, command: POLITE });
      expect(started.status).toBe("running");
      expect(await client.pauseRuntime(started.runtime_id)).toMatchObject({ status: "paused" });
      expect(await client.resumeRuntime(started.runtime_id)).toMatchObject({ status: "running" });
      expect((await client.listRuntimes()).map(({ runtime_id }) => runtime_id)).toContain(started.runtime_id);
      expect(await client.stopRuntime(started.runtime_id, { graceSeconds: 3 })).toMatchObject({ status: "exited" });
    });

    test("throws what went wrong as a class of its own", async () => {
      const missing = await failure(client.stopRuntime("nothing"));
      expect(missing).toBeInstanceOf(RuntimeNotFound);
      expect(missing).toMatchObject({ status: 404, message: "Runtime 'nothing' not found" });
      const invalid = await failure(client.startRuntime({ image: "" }));
      expect(invalid).toBeInstanceOf(RuntimeInvalid);
      expect((invalid as RuntimeInvalid).problems).toMatchObject([
        { type: "string_too_short", loc: ["body", "image"] },
      ]);
      expect(await failure(client.startRuntime({ image: "localhost/runcode-nothing" }))).toBeInstanceOf(RuntimeRefused);
      const stranger = createRuntimeClient({ base: `http://127.0.0.1:${server.port}` });
      expect(await failure(stranger.listRuntimes())).toBeInstanceOf(RuntimeUnauthorized);
    });

    test("a call that is aborted throws the signal's reason, and what it had begun is taken back", async () => {
      const caller = new AbortController();
      const name = `aborted-${Math.random().toString(36).slice(2)}`;
      const reason = new Error("enough");
      const began = t.log.length;
      const work = failure(client.startRuntime({ image: BUSYBOX, command: POLITE, name }, { signal: caller.signal }));
      setTimeout(() => caller.abort(reason), 30);
      expect(await work).toBe(reason);
      await expect
        .poll(() => t.log.slice(began).some((line) => line.includes("/start")), { timeout: 30_000 })
        .toBe(true);
      await expect(t.engine.api.getContainer(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
      expect(await failure(client.listRuntimes({ signal: caller.signal }))).toBe(reason);
    });
  },
);
