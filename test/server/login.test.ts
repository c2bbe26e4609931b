import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOGIN_CODE_MS, WEB_SESSION_MS } from "../../src/server/workspaces/accounts.ts";
import { answerOf, testPlane, type Answer, type TestPlane } from "./plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await testPlane();
});
afterEach(() => t.close());

const STATE = "s".repeat(32);
const CONSENT = `/auth/cli-login/?port=5000&state=${STATE}`;
const get = (path: string, cookie = ""): Promise<Answer> =>
  answerOf(t.app.request(path, { headers: { host: "127.0.0.1", cookie } }));
const post = (
  path: string,
  fields: Record<string, string>,
  cookie = "",
  headers: Record<string, string> = {},
): Promise<Answer> =>
  answerOf(
    t.app.request(path, {
      method: "POST",
      headers: { host: "127.0.0.1", cookie, "content-type": "application/x-www-form-urlencoded", ...headers },
      body: new URLSearchParams(fields).toString(),
    }),
  );
const cookieOf = (answer: Answer): string => answer.headers.get("set-cookie")?.split(";")[0] ?? "";
const login = async (): Promise<string> => cookieOf(await post("/auth/login", { secret: t.token }));
const field = (page: Answer, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page.text)?.[1] ?? "";

describe("a browser", () => {
  test("logs in with a token, lets the command line in, and the command line gets a token that works", async () => {
    const asked = await get(CONSENT);
    expect(asked.status).toBe(303);
    const form = await get(asked.headers.get("location") ?? "");
    const entered = await post("/auth/login", {
      secret: ` ${t.token}\n`,
      next: field(form, "next").replaceAll("&amp;", "&"),
    });
    expect([entered.status, entered.headers.get("location")]).toEqual([303, CONSENT]);
    const cookie = entered.headers.get("set-cookie") ?? "";
    for (const word of ["HttpOnly", "SameSite=Strict", "Path=/"]) expect(cookie).toContain(word);

    const consent = await get(CONSENT, cookieOf(entered));
    expect(consent.text).toContain("owner@localhost");
    const given = await post(
      "/auth/cli-login/",
      { port: "5000", state: STATE, csrf: field(consent, "csrf") },
      cookieOf(entered),
    );
    const to = new URL(given.headers.get("location") ?? "");
    expect([given.status, to.origin, to.pathname]).toEqual([303, "http://127.0.0.1:5000", "/callback"]);
    expect(to.searchParams.get("state")).toBe(STATE);
    expect(to.searchParams.get("email")).toBe("owner@localhost");
    const token = to.searchParams.get("token") ?? "";
    expect(token).not.toBe(t.token);
    expect((await t.ask("GET", "/api/rc/me", undefined, { authorization: `Token ${token}` })).status).toBe(200);
    expect(given.headers.get("referrer-policy")).toBe("no-referrer");
    expect(t.log.join("\n")).not.toContain(token);
  });

  test("is let follow the redirect by the page's own policy, and nowhere else", async () => {
    const { headers } = await get(CONSENT, await login());
    expect(headers.get("content-security-policy")).toContain("form-action 'self' http://127.0.0.1:5000;");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  });

  test("opens the printed link any number of times, and logs in by it once", async () => {
    const code = t.plane.accounts.createLoginCode(t.account);
    for (const _ of [1, 2]) expect(field(await get(`/auth/login?code=${code}`), "secret")).toBe(code);
    expect((await post("/auth/login", { secret: code })).status).toBe(303);
    const again = await post("/auth/login", { secret: code });
    expect([again.status, cookieOf(again)]).toEqual([403, ""]);
  });

  test("comes too late with an old link, and is forgotten after half a day", async () => {
    const code = t.plane.accounts.createLoginCode(t.account);
    const cookie = await login();
    t.clock.time += LOGIN_CODE_MS;
    expect((await post("/auth/login", { secret: code })).status).toBe(403);
    expect((await get("/", cookie)).status).toBe(200);
    t.clock.time += WEB_SESSION_MS;
    expect((await get("/", cookie)).status).toBe(303);
  });

  test("is logged out for good, on the server too", async () => {
    const cookie = await login();
    const csrf = field(await get("/", cookie), "csrf");
    expect((await post("/auth/logout", { csrf: "x" }, cookie)).status).toBe(403);
    expect((await post("/auth/logout", { csrf }, cookie)).status).toBe(303);
    expect((await get("/", cookie)).status).toBe(303);
  });

  test("keeps its cookie to https and this host where the pages are reached by https", async () => {
    const secure = await testPlane({ secure: true });
    try {
      const answer = await secure.app.request("/auth/login", {
        method: "POST",
        headers: { host: "localhost", "content-type": "application/x-www-form-urlencoded" },
        body: `secret=${secure.token}`,
      });
      expect(answer.headers.get("set-cookie")).toMatch(/^__Host-runcode-test=.*Secure/);
      expect(answer.headers.get("strict-transport-security")).not.toBeNull();
    } finally {
      await secure.close();
    }
  });
});

describe("consent", () => {
  test.each(["", "80", "0", "1023", "65536", "5000.0", " 5000", "5e3", "0x1388", "5000@evil.example", "-5000"])(
    "is not asked for the port %j",
    async (port) => {
      const page = await get(`/auth/cli-login/?port=${encodeURIComponent(port)}&state=${STATE}`, await login());
      expect(page.status).toBe(400);
    },
  );

  test.each([
    "",
    "short",
    "s".repeat(257),
    "ssssssssssssssss&token=x",
    "ssssssssssssssss\r\nX: y",
    '"><script>alert(1)</script>',
  ])("is not asked for the state %j", async (state) => {
    const page = await get(`/auth/cli-login/?port=5000&state=${encodeURIComponent(state)}`, await login());
    expect(page.status).toBe(400);
    expect(page.text).not.toContain("<script>");
  });

  const tokens = (): number => t.plane.accounts.tokens(t.account).length;
  test("is not given by a form of somebody else's, or without a login", async () => {
    const cookie = await login();
    const csrf = field(await get(CONSENT, cookie), "csrf");
    const fields = { port: "5000", state: STATE, csrf };
    const before = tokens();
    const refused = await Promise.all([
      post("/auth/cli-login/", { ...fields, csrf: "" }, cookie),
      post("/auth/cli-login/", { ...fields, csrf: csrf.toUpperCase() }, cookie),
      post("/auth/cli-login/", fields),
      post("/auth/cli-login/", fields, cookie, { "sec-fetch-site": "cross-site" }),
      // Another port of this machine is the same site for SameSite, and another origin for us.
      post("/auth/cli-login/", fields, cookie, { "sec-fetch-site": "same-site" }),
      post("/auth/cli-login/", fields, cookie, { origin: "http://127.0.0.1:3000" }),
    ]);
    expect(refused.map((answer) => answer.status)).toEqual([403, 403, 403, 403, 403, 403]);
    expect((await post("/auth/cli-login/", { ...fields, port: "22" }, cookie)).status).toBe(400);
    expect(tokens()).toBe(before);
    const fine = await post("/auth/cli-login/", fields, cookie, { "sec-fetch-site": "same-origin", origin: "null" });
    expect([fine.status, tokens()]).toEqual([303, before + 1]);
  });
});

describe("the way back from a login", () => {
  test.each([
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/%0d%0aX: y\r\n",
    "javascript:alert(1)",
    "evil",
    "",
  ])("is not %j", async (next) => {
    expect((await post("/auth/login", { secret: t.token, next })).headers.get("location")).toBe("/");
  });

  test("is written into the page without becoming part of it", async () => {
    const page = await get(`/auth/login?code=${encodeURIComponent('"><script>x</script>')}&next=/w/a`);
    expect(page.text).not.toContain("<script>");
    expect(field(page, "next")).toBe("/w/a");
  });
});
