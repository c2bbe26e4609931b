// Logging in, from the built program: the browser's flow as a browser would walk it, a pipe, and where the token ends up.
import { execa } from "execa";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BINARY, runProgram, testHome, writeProgram, type Ran, type TestHome } from "../harness/index.ts";
import { lyingPlane, type LyingPlane } from "./plane.ts";

let plane: LyingPlane;
let home: TestHome;

beforeAll(async () => {
  plane = lyingPlane();
});
afterAll(() => plane.close());
beforeEach(async () => {
  await home?.remove();
  home = await testHome();
  plane.answers = {};
  plane.seen.length = 0;
  return () => home.remove();
});

const run = (words: readonly string[], stdin?: string, env: Record<string, string> = {}): Promise<Ran> =>
  runProgram(words, {
    env: { ...home.env, RUNCODE_API_BASE: plane.base, ...env },
    ...(stdin === undefined ? {} : { stdin }),
  });

/** Starts `login --no-browser` and gives the address as soon as it is printed. */
async function browserLogin(...words: string[]) {
  const child = execa(BINARY, ["login", "--no-browser", ...words], {
    env: { ...home.env, RUNCODE_API_BASE: plane.base },
    extendEnv: false,
    reject: false,
    stdin: "ignore",
  });
  const line = await new Promise<string>((resolve) => child.stdout?.once("data", (chunk) => resolve(String(chunk))));
  const url = new URL(line.trim());
  return { child, url, callback: new URL(`http://127.0.0.1:${url.searchParams.get("port")}/callback`) };
}

const withQuery = (url: URL, query: Record<string, string>): string =>
  `${url.href}?${new URLSearchParams(query).toString()}`;

describe("the browser's flow", () => {
  test("takes the callback with the right path and state, shows a page without the token, and keeps the token", async () => {
    const { child, url, callback } = await browserLogin();
    expect(url.pathname).toBe("/auth/cli-login/");
    const state = url.searchParams.get("state") ?? "";
    expect(state.length).toBeGreaterThanOrEqual(32);
    const response = await fetch(withQuery(callback, { state, token: "tok-from-page", email: "me@example.org" }));
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const page = await response.text();
    expect(page).toContain("close this page");
    expect(page).not.toContain("tok-from-page");
    const { exitCode, stdout } = await child;
    expect(exitCode).toBe(0);
    expect(stdout).toContain("me@example.org");
    await run(["list"]);
    expect(plane.seen.at(-1)?.authorization).toBe("Token tok-from-page");
  });

  test("goes on waiting after a wrong state, a missing one, a wrong path, a wrong method and a wrong host", async () => {
    const { child, url, callback } = await browserLogin();
    const state = url.searchParams.get("state") ?? "";
    const good = { state, token: "tok-right", email: "me@example.org" };
    const statuses = [
      await fetch(withQuery(callback, { ...good, state: `${state.slice(0, -1)}!`, token: "tok-wrong" })),
      await fetch(withQuery(callback, { ...good, state: "", token: "tok-wrong" })),
      await fetch(withQuery(callback, { token: "tok-wrong" })),
      await fetch(withQuery(new URL("/callback/", callback), good)),
      await fetch(withQuery(new URL("/", callback), good)),
      await fetch(withQuery(callback, good), { method: "POST" }),
      await fetch(withQuery(callback, good), { headers: { host: "evil.example:80" } }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([403, 403, 403, 404, 404, 405, 403]);
    expect((await fetch(withQuery(callback, good))).status).toBe(200);
    expect((await child).exitCode).toBe(0);
    await run(["list"]);
    expect(plane.seen.at(-1)?.authorization).toBe("Token tok-right");
  });

  test("takes one callback: a second one changes nothing", async () => {
    const { child, url, callback } = await browserLogin();
    const state = url.searchParams.get("state") ?? "";
    const outcomes = await Promise.allSettled(
      ["tok-first", "tok-second"].map((token) => fetch(withQuery(callback, { state, token }))),
    );
    const taken = outcomes.filter((outcome) => outcome.status === "fulfilled" && outcome.value.status === 200);
    expect(taken).toHaveLength(1);
    expect((await child).exitCode).toBe(0);
  });

  test("fails as unauthorized when the page brings no token, and keeps nothing", async () => {
    const { child, url, callback } = await browserLogin();
    await fetch(withQuery(callback, { state: url.searchParams.get("state") ?? "" }));
    expect((await child).exitCode).toBe(4);
    expect((await run(["list", "--json"])).json()).toMatchObject({ error: "no_token" });
  });

  test.each(["two words", "a\r\nX-Evil: 1", "\u001b[2J"])("fails when the token it brings is %j", async (token) => {
    const { child, url, callback } = await browserLogin();
    await fetch(withQuery(callback, { state: url.searchParams.get("state") ?? "", token }));
    expect((await child).exitCode).toBe(4);
    expect(plane.seen).toEqual([]);
  });

  test("ends with timeout when nobody comes", async () => {
    const ran = await run(["login", "--no-browser", "--timeout", "100ms", "--json"]);
    expect(ran.exitCode).toBe(7);
    expect(ran.json()).toMatchObject({ error: "timeout" });
    expect(ran.stderr).toContain("/auth/cli-login/?port=");
  });

  test("ends at once on Ctrl-C", async () => {
    const { child } = await browserLogin();
    child.kill("SIGINT");
    expect((await child).exitCode).toBe(130);
  });

  test("opens the browser with the address, where there is one", async () => {
    const bin = path.join(home.dir, "bin");
    await mkdir(bin);
    const log = path.join(home.dir, "opened");
    await writeProgram(path.join(bin, "xdg-open"), `#!/bin/sh\nprintf %s "$1" > "${log}"\n`);
    const child = execa(BINARY, ["login"], {
      env: { ...home.env, RUNCODE_API_BASE: plane.base, PATH: `${bin}:${home.env["PATH"] ?? ""}` },
      extendEnv: false,
      reject: false,
      stdin: "ignore",
    });
    await expect
      .poll(() => readFile(log, "utf8").catch(() => ""))
      .toMatch(/\/auth\/cli-login\/\?port=\d+&state=[\w-]{43}$/);
    child.kill("SIGINT");
    expect((await child).exitCode).toBe(130);
  });
});

describe("a token on stdin", () => {
  const tokenFile = async (): Promise<string> => {
    const { stdout } = await execa("find", [path.join(home.dir, ".config/runcode/tokens"), "-type", "f"]);
    return stdout;
  };

  test("is tried, kept in a file for us alone, and told of", async () => {
    const ran = await run(["login", "--with-token", "--json"], "tok-1\n");
    expect(ran.json()).toEqual({
      logged_in: true,
      email: "me@example.org",
      api_base: plane.base,
      token_store: "file",
    });
    const file = await tokenFile();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).toBe("tok-1\n");
  });

  test("is enough for a control plane that has no /me", async () => {
    plane.answers.me = () => new Response("not here", { status: 404 });
    const ran = await run(["login", "--with-token", "--json"], "tok-1");
    expect(ran.json()).toMatchObject({ logged_in: true, email: null });
  });

  test("is not kept when the control plane does not know it", async () => {
    plane.answers.any = () => Response.json({ detail: "who?" }, { status: 401 });
    const ran = await run(["login", "--with-token", "--json"], "tok-1");
    expect(ran.exitCode).toBe(4);
    expect(ran.json()).toMatchObject({ error: "unauthorized", message: "who?" });
    plane.answers = {};
    expect((await run(["list", "--json"])).json()).toMatchObject({ error: "no_token" });
  });

  test.each([
    ["nothing", "", 2],
    ["white space", " \n", 2],
    ["two words", "tok 1", 4],
    ["far too much", "x".repeat(1 << 20), 2],
  ])("that is %s is refused and never sent", async (_, text, exit) => {
    expect((await run(["login", "--with-token"], text)).exitCode).toBe(exit);
    expect(plane.seen).toEqual([]);
  });

  test("is never sent to another control plane, nor left behind by logout", async () => {
    const other = lyingPlane();
    try {
      await run(["login", "--with-token"], "tok-1");
      const elsewhere = await run(["list", "--json"], undefined, { RUNCODE_API_BASE: other.base });
      expect(elsewhere.json()).toMatchObject({ error: "no_token" });
      expect(other.seen).toEqual([]);
      expect((await run(["logout", "--json"])).json()).toEqual({ logged_out: true, removed: ["file"] });
      expect(await tokenFile()).toBe("");
      expect((await run(["logout", "--json"])).json()).toEqual({ logged_out: true, removed: [] });
    } finally {
      await other.close();
    }
  });

  test("of two profiles are kept side by side, and each goes to its own", async () => {
    const other = lyingPlane();
    const bare = { ...home.env };
    const as = (words: readonly string[], stdin?: string): Promise<Ran> =>
      runProgram(words, { env: bare, ...(stdin === undefined ? {} : { stdin }) });
    try {
      await as(["login", "--with-token", "--profile", "one", "--api-base", plane.base], "tok-one");
      await as(["login", "--with-token", "--profile", "two", "--api-base", other.base], "tok-two");
      await as(["list", "--profile", "one"]);
      await as(["list"]);
      expect(plane.seen.at(-1)?.authorization).toBe("Token tok-one");
      expect(other.seen.at(-1)?.authorization).toBe("Token tok-two");
      expect(new Set(plane.seen.map(({ authorization }) => authorization))).toEqual(new Set(["Token tok-one"]));
    } finally {
      await other.close();
    }
  });
});

describe("without a person", () => {
  test("--paste says which flag to give", async () => {
    const ran = await run(["login", "--paste", "--json"]);
    expect(ran.json()).toMatchObject({ error: "usage", hint: expect.stringContaining("--with-token") });
  });

  test("ways that exclude each other are a usage error", async () => {
    expect((await run(["login", "--paste", "--with-token"], "t")).exitCode).toBe(2);
  });

  test("a settings file that is no object is named, and nothing is sent", async () => {
    const file = path.join(home.dir, ".config/runcode/config.json");
    await mkdir(path.dirname(file), { recursive: true });
    for (const text of ["[]", "{", '{"profiles":[]}', '{"profiles":{"a":{"api_base":5}}}', '{"current":"../x"}']) {
      await writeFile(file, text);
      expect((await run(["list", "--json"])).json()).toMatchObject({
        error: "config_invalid",
        message: expect.stringContaining(file),
      });
    }
    await rm(file);
    expect(plane.seen).toEqual([]);
  });
});
