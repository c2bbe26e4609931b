import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FAILURES_PER_WINDOW } from "../../src/server/http/throttle.ts";
import { answerOf, testPlane, type TestPlane } from "./plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await testPlane();
});
afterEach(() => t.close());

describe("a request", () => {
  test.each([
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:7070",
    "[::2]",
    "0.0.0.0",
    "127.0.0.1, evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1:7070:1",
    " ",
    "169.254.169.254",
  ])("that calls this server %j is turned away, token or not", async (host) => {
    expect((await t.ask("GET", "/api/rc/me", undefined, { host })).status).toBe(421);
    expect((await t.app.request("/auth/login", { headers: { host } })).status).toBe(421);
  });

  test.each(["localhost", "LOCALHOST:7070", "127.0.0.1:1", "[::1]:7070", "localhost."])(
    "that calls it %j is answered",
    async (host) => {
      expect((await t.ask("GET", "/api/rc/me", undefined, { host })).status).toBe(200);
    },
  );

  test("of more than a mebibyte is not read, whether it says so or not", async () => {
    const big = "x".repeat(1024 * 1024 + 1);
    const said = await t.ask("POST", "/api/rc/workspaces", big, { "content-length": String(big.length) });
    expect([said.status, said.json.error]).toEqual([413, true]);
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const streamed = await answerOf(
      t.app.request("/api/rc/workspaces", {
        method: "POST",
        headers: { host: "localhost", authorization: `Token ${t.token}`, "transfer-encoding": "chunked" },
        body: endless,
      }),
    );
    expect(streamed.status).toBe(413);
    expect(pulled).toBeLessThan(64);
  });

  test("that is nested a thousand deep, or holds a prototype, does nothing", async () => {
    const deep = "[".repeat(50_000) + "]".repeat(50_000);
    expect((await t.ask("POST", "/api/rc/workspaces", deep)).status).toBe(400);
    expect((await t.ask("POST", "/api/rc/workspaces", '{"__proto__":{"title":"x"},"constructor":1}')).status).toBe(400);
    expect(({} as Record<string, unknown>)["title"]).toBeUndefined();
  });

  test("for what is not there gets JSON, with the method it should have used", async () => {
    const missing = await t.ask("GET", "/api/rc/nothing");
    expect([missing.status, missing.json]).toEqual([404, { error: true, message: "there is nothing at this address" }]);
    const wrong = await t.ask("PATCH", "/api/rc/me");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await t.app.request("/nothing", { headers: { host: "localhost" } })).status).toBe(404);
    expect((await t.app.request("/api/rc/nothing", { headers: { host: "localhost" } })).status).toBe(401);
  });

  test("by HEAD starts nothing", async () => {
    await t.ask("POST", "/api/rc/workspaces", { title: "w" });
    expect((await t.ask("HEAD", "/api/rc/workspace/start?workspace_id=1")).status).toBe(405);
    expect(t.plane.workspaces.get(t.account, 1).state).toBe("stopped");
  });

  test("with a browser's cookie and no token opens no API", async () => {
    const cookie = `runcode-test=${t.plane.accounts.createWebSession(t.account)}`;
    await t.ask("POST", "/api/rc/workspaces", { title: "w" });
    for (const path of ["/api/rc/me", "/api/rc/workspace/start?workspace_id=1"]) {
      expect((await t.app.request(path, { headers: { host: "localhost", cookie } })).status).toBe(401);
    }
    expect(t.plane.workspaces.get(t.account, 1).state).toBe("stopped");
  });

  test("is never told to other origins, cached, framed or guessed at", async () => {
    const answer = await t.ask("GET", "/api/rc/me", undefined, { origin: "https://evil.example" });
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("x-frame-options")).toBe("DENY");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("that fails says nothing of what was sent, to the client or to the log", async () => {
    const secret = "rc_thisIsSomebodysTokenPastedInTheWrongPlace";
    for (const body of [{ title: secret, x: secret }, { public_key: secret }, `{"title":"${secret}`]) {
      const answer = await t.ask("POST", "/api/rc/workspaces", body);
      expect(answer.text).not.toContain(secret);
    }
    await t.ask("GET", `/auth/login?code=${secret}`);
    await t.app.request("/api/rc/me", { headers: { host: "localhost", authorization: `Token ${secret}` } });
    expect(t.log.join("\n")).not.toContain(secret);
    expect(t.log.join("\n")).not.toContain(t.token);
  });
});

describe("guessing", () => {
  const guess = (remote: string, token = "rc_wrong"): Response | Promise<Response> =>
    t.app.request("/api/rc/me", { headers: { host: "localhost", authorization: `Token ${token}` } }, { remote });

  test("is slowed down by address, and says until when", async () => {
    for (let i = 0; i < FAILURES_PER_WINDOW; i++) expect((await guess("192.0.2.1")).status).toBe(401);
    t.clock.time += 20_000;
    const limited = await guess("192.0.2.1");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "40"]);
    expect((await guess("192.0.2.2")).status).toBe(401);
    t.clock.time += 40_000;
    expect((await guess("192.0.2.1")).status).toBe(401);
  });

  test("by one process does not lock the owner out of the same machine", async () => {
    for (let i = 0; i <= FAILURES_PER_WINDOW; i++) await guess("127.0.0.1");
    expect((await guess("127.0.0.1")).status).toBe(429);
    expect((await guess("127.0.0.1", t.token)).status).toBe(200);
  });
});
