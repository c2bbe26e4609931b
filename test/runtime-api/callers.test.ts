// Who may ask the runtime API, under which name, how much and how often, and where it listens.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkRuntimeApi } from "../../src/server/daemon/runtime-api.ts";
import type { Answer } from "../server/plane.ts";
import { NO_ENGINE, testApi, type TestApi } from "./api.ts";

let t: TestApi;
beforeEach(async () => {
  t = await testApi(NO_ENGINE);
});
afterEach(() => t.close());

describe("who may ask", () => {
  test("a name that is not this machine's is turned away, whatever it asks", async () => {
    for (const path of ["/", "/docs", "/list"]) {
      expect((await t.ask("GET", path, undefined, { host: "evil.example" })).status).toBe(421);
    }
  });

  test("with a key set, nothing but the description answers without it", async () => {
    const key = "k".repeat(32);
    const guarded = await testApi(NO_ENGINE, { key });
    try {
      for (const [method, path] of [
        ["POST", "/start"],
        ["POST", "/stop"],
        ["POST", "/pause"],
        ["POST", "/resume"],
        ["GET", "/list"],
        ["GET", "/nothing"],
      ] as const) {
        expect((await guarded.ask(method, path)).json).toEqual({ detail: "X-API-Key is missing" });
        const wrong = await guarded.ask(method, path, undefined, { "x-api-key": `${key}k` });
        expect([wrong.status, wrong.json]).toEqual([401, { detail: "X-API-Key is not valid" }]);
      }
      expect((await guarded.ask("GET", "/list", undefined, { "x-api-key": key })).status).toBe(503);
      for (const path of ["/docs", "/openapi.json"]) expect((await guarded.ask("GET", path)).status).toBe(200);
      expect(guarded.log.join("\n")).not.toContain(key);
    } finally {
      await guarded.close();
    }
  });

  test("the listener hears when a request is there as a whole, and not before", async () => {
    let heard = 0;
    const body = new TransformStream<Uint8Array, Uint8Array>();
    const writer = body.writable.getWriter();
    const headers = { host: "127.0.0.1", "content-type": "application/json" };
    const init = { method: "POST", headers, body: body.readable, duplex: "half" } as RequestInit;
    const answer = t.app.request("/start", init, { received: () => void heard++ });
    await writer.write(new TextEncoder().encode('{"image":'));
    expect(heard).toBe(0);
    await writer.write(new TextEncoder().encode('"i"}'));
    await writer.close();
    expect((await answer).status).toBe(503);
    expect(heard).toBe(1);
    await t.app.request("/list", { headers }, { received: () => void heard++ });
    expect(heard).toBe(2);
  });

  test("a body past a mebibyte is not read", async () => {
    expect((await t.ask("POST", "/start", "x".repeat(1024 * 1024 + 1))).status).toBe(413);
  });

  test("what there is not, and how not to ask, is said as the original says it", async () => {
    expect((await t.ask("GET", "/nothing")).json).toEqual({ detail: "Not Found" });
    const wrong = await t.ask("GET", "/start");
    expect([wrong.status, wrong.json, wrong.headers.get("allow")]).toEqual([
      405,
      { detail: "Method Not Allowed" },
      "POST",
    ]);
  });

  test("no environment of a runtime reaches the log", async () => {
    await t.ask("POST", "/start", { image: "i", environment: { TOKEN: "hush-hush" } });
    await t.ask("POST", "/start", { image: "", environment: { TOKEN: "hush-hush" } });
    expect(t.log.join("\n")).not.toContain("hush-hush");
    expect(t.log.some((line) => line.includes("POST /start 422"))).toBe(true);
  });
});

test("wrong keys are counted: past sixty in a minute there is no more trying, and it is said when there is", async () => {
  const guarded = await testApi(NO_ENGINE, { key: "k".repeat(32) });
  try {
    const wrong = (): Promise<Answer> => guarded.ask("GET", "/list", undefined, { "x-api-key": "wrong" });
    const statuses = [];
    for (let i = 0; i < 60; i++) statuses.push((await wrong()).status);
    expect(new Set(statuses)).toEqual(new Set([401]));
    const last = await wrong();
    expect([last.status, Number(last.headers.get("retry-after")) > 0]).toEqual([429, true]);
    expect((await guarded.ask("GET", "/list", undefined, { "x-api-key": "k".repeat(32) })).status).toBe(503);
  } finally {
    await guarded.close();
  }
});
test("without an address it listens at the port of the original, on loopback", async () => {
  expect(await checkRuntimeApi({ runtimeApi: "" }, {}, "/")).toMatchObject({
    address: { host: "127.0.0.1", port: 8090 },
    key: null,
  });
});

test.each(["abc", "65536", "-1", "80 "])("RUNTIME_SERVER_PORT=%s is told as what is wrong", async (port) => {
  const checked = checkRuntimeApi({ runtimeApi: "" }, { RUNTIME_SERVER_PORT: port }, "/");
  await expect(checked).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(/^RUNTIME_SERVER_PORT /),
  });
});
