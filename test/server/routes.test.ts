import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sessionKey, testPlane, type Answer, type TestPlane } from "./plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await testPlane();
});
afterEach(() => t.close());

const create = async (title: string): Promise<number> =>
  (await t.ask("POST", "/api/rc/workspaces", { title })).json.data.workspace.id as number;
const start = (id: number): Promise<Answer> => t.ask("GET", `/api/rc/workspace/start?workspace_id=${id}`);
const stop = (id: number): Promise<Answer> => t.ask("GET", `/api/rc/workspace/stop?workspace_id=${id}`);
const titles = (answer: Answer): string[] => answer.json.data.workspaces.map((it: { title: string }) => it.title);

describe("workspaces", () => {
  test("are made with what was asked for, and listed to their owner", async () => {
    const made = await t.ask("POST", "/api/rc/workspaces", {
      title: "calm-otter",
      custom_title: "My box",
      flavor: "small",
    });
    expect(made.status).toBe(201);
    expect(made.json.data.workspace).toMatchObject({
      title: "calm-otter",
      custom_title: "My box",
      provider: "aws",
      current_state: "stopped",
      interim_state: "",
      flavor: "small",
      driver: "process",
      web_url: "http://127.0.0.1:7070/w/calm-otter",
    });
    expect(titles(await t.ask("GET", "/api/rc/workspaces?category=active"))).toEqual(["calm-otter"]);
    expect(titles(await t.ask("GET", "/api/rc/workspaces?category=shared"))).toEqual([]);
    const { id } = made.json.data.workspace;
    expect((await t.ask("GET", `/api/rc/workspace/${id}`)).json.data.workspace.title).toBe("calm-otter");
  });

  test("get a title of their own where none is given", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => t.ask("POST", "/api/rc/workspaces", {})));
    const names = made.map((answer) => answer.json.data.workspace.title as string);
    expect(new Set(names).size).toBe(20);
    for (const name of names) expect(name).toMatch(/^[a-z]+-[a-z]+(-\d+)?$/);
  });

  test("do not share a title, in whatever case", async () => {
    await create("calm-otter");
    const taken = await t.ask("POST", "/api/rc/workspaces", { title: "CALM-Otter" });
    expect([taken.status, taken.json.error]).toEqual([409, true]);
    expect(taken.json.message).toContain("CALM-Otter is taken");
  });

  test("start and stop, and doing either twice is doing it once", async () => {
    const id = await create("w");
    for (const _ of [1, 2])
      expect((await start(id)).json).toEqual({ error: false, message: "the workspace is running" });
    expect((await t.ask("GET", `/api/rc/workspace/${id}`)).json.data.workspace.current_state).toBe("running");
    for (const _ of [1, 2])
      expect((await stop(id)).json).toEqual({ error: false, message: "the workspace is stopped" });
  });

  test("are deleted when they are stopped, or when that is forced", async () => {
    const id = await create("w");
    await start(id);
    expect((await t.ask("DELETE", `/api/rc/workspace/${id}`)).status).toBe(409);
    expect((await t.ask("DELETE", `/api/rc/workspace/${id}?force=perhaps`)).status).toBe(400);
    const gone = await t.ask("DELETE", `/api/rc/workspace/${id}?force=true`);
    expect([gone.status, gone.text]).toEqual([204, ""]);
    expect((await t.ask("GET", `/api/rc/workspace/${id}`)).status).toBe(404);
    expect((await t.ask("DELETE", `/api/rc/workspace/${id}`)).status).toBe(404);
  });

  test.each([
    [{ title: "-x" }, "title"],
    [{ title: "a b" }, "title"],
    [{ title: "x".repeat(64) }, "title"],
    [{ title: 7 }, "title"],
    [{ titel: "x" }, "titel"],
    [{ flavor: "huge" }, "no flavor huge"],
    [{ flavor: "__proto__" }, "no flavor"],
    [{ flavor: "constructor" }, "no flavor"],
    [{ driver: "docker" }, "no driver docker"],
    [{ image: "debian" }, "runs no images"],
    [[], "body"],
    ["null", "body"],
    ['{"title":', "not JSON"],
    ["\u0000", "not JSON"],
  ])("are not made of %j", async (body, why) => {
    const refused = await t.ask("POST", "/api/rc/workspaces", body);
    expect([refused.status, refused.json.error]).toEqual([400, true]);
    expect(refused.json.message).toContain(why);
    expect(titles(await t.ask("GET", "/api/rc/workspaces"))).toEqual([]);
  });

  test.each([
    "",
    "?workspace_id=",
    "?workspace_id=0",
    "?workspace_id=-1",
    "?workspace_id=1.5",
    "?workspace_id=1e3",
    "?workspace_id=99999999999999999",
    "?workspace_id=1&workspace_id=2",
    "?workspace_id=0x1",
  ])("are not started by %j", async (query) => {
    expect((await t.ask("GET", `/api/rc/workspace/start${query}`)).status).toBe(400);
  });

  test("that are not there are said not to be there", async () => {
    for (const [method, path] of [
      ["GET", "/api/rc/workspace/start?workspace_id=7"],
      ["GET", "/api/rc/workspace/stop?workspace_id=7"],
      ["GET", "/api/rc/workspace/7"],
      ["DELETE", "/api/rc/workspace/7"],
    ] as const) {
      const answer = await t.ask(method, path);
      expect([path, answer.status, answer.json.message]).toEqual([path, 404, "there is no workspace 7"]);
    }
    expect((await t.ask("POST", "/api/rc/workspace/7/ssh-session", { public_key: sessionKey().line })).status).toBe(
      404,
    );
  });
});

describe("a session", () => {
  test("is minted for a running workspace, as the bundle of the protocol", async () => {
    const id = await create("calm-otter");
    await start(id);
    const minted = await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, {
      public_key: sessionKey().line,
      ttl: 60,
      client: "claude-code\u001b[31m",
    });
    expect(minted.status).toBe(200);
    expect(minted.json.bundle).toEqual({
      host: "127.0.0.1",
      port: 7022,
      user: "calm-otter",
      known_hosts: "[127.0.0.1]:7022 ssh-ed25519 AAAA",
      expires_at: "2030-01-01T00:01:00.000Z",
      workdir: expect.stringMatching(/^\/[A-Za-z0-9._@+/-]+$/),
      web_url: "http://127.0.0.1:7070/w/calm-otter",
      capabilities: ["exec", "shell", "sftp", "forward"],
    });
    expect(t.plane.sessions.list(t.account, id)).toMatchObject([{ client: "claude-code[31m", connections: [] }]);
  });

  test("lives no longer than the server allows, whatever was asked for", async () => {
    const id = await create("w");
    await start(id);
    const mint = async (ttl?: number): Promise<string> =>
      (
        await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, {
          public_key: sessionKey().line,
          ...(ttl ? { ttl } : {}),
        })
      ).json.bundle.expires_at;
    expect(await mint(999_999)).toBe("2030-01-01T00:30:00.000Z");
    expect(await mint()).toBe("2030-01-01T00:30:00.000Z");
    t.store.settings.set("session_max_ttl", 7200);
    expect(await mint(7000)).toBe("2030-01-01T01:56:40.000Z");
  });

  test("is refused while the workspace does not run", async () => {
    const id = await create("w");
    const refused = await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, { public_key: sessionKey().line });
    expect([refused.status, refused.json]).toEqual([409, { error: true, message: "workspace w is stopped" }]);
  });

  const { blob } = sessionKey();
  const line = (bytes: Buffer, type = "ssh-ed25519"): string => `${type} ${bytes.toString("base64")}`;
  test.each([
    ["no key", {}],
    ["a number", { public_key: 7 }],
    ["another type", { public_key: line(blob, "ssh-rsa") }],
    ["a type that the blob denies", { public_key: line(Buffer.from(blob).fill("x", 4, 15)) }],
    ["a key that is too short", { public_key: line(blob.subarray(0, 50)) }],
    ["a key with something behind it", { public_key: line(Buffer.concat([blob, Buffer.from([0])])) }],
    ["unpadded base64", { public_key: line(Buffer.concat([blob, blob])).replace(/=+$/, "") }],
    ["a second line", { public_key: `${line(blob)}\nssh-ed25519 AAAA` }],
    ["options in front", { public_key: `command="id" ${line(blob)}` }],
    ["a ttl of nothing", { public_key: line(blob), ttl: 0 }],
    ["a ttl of text", { public_key: line(blob), ttl: "60" }],
    ["a fraction of a second", { public_key: line(blob), ttl: 1.5 }],
    ["a client's life story", { public_key: line(blob), client: "x".repeat(101) }],
  ])("is not minted for %s", async (_, body) => {
    const id = await create("w");
    await start(id);
    const refused = await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, body);
    expect([refused.status, refused.json.error]).toEqual([400, true]);
    expect(t.plane.sessions.list(t.account, id)).toEqual([]);
  });

  test("keeps its id when its key comes again, and another account may not have that key", async () => {
    const id = await create("w");
    await start(id);
    const key = sessionKey();
    const body = { public_key: key.line, ttl: 60 };
    await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, body);
    const first = t.plane.access.authenticate("w", key.blob);
    t.clock.time += 30_000;
    await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, body);
    expect(t.plane.access.authenticate("w", key.blob)?.sessionId).toBe(first?.sessionId);

    const other = t.store.accounts.insert({ email: "o@x", name: "O", tier: "t", role: "member" }, 0);
    const token = t.plane.accounts.createToken(other, "o").secret;
    const headers = { authorization: `Token ${token}` };
    const made = await t.ask("POST", "/api/rc/workspaces", { title: "theirs" }, headers);
    const theirs = made.json.data.workspace.id as number;
    await t.ask("GET", `/api/rc/workspace/start?workspace_id=${theirs}`, undefined, headers);
    expect((await t.ask("POST", `/api/rc/workspace/${theirs}/ssh-session`, body, headers)).status).toBe(403);
    expect((await t.ask("POST", `/api/rc/workspace/${id}/ssh-session`, body, headers)).status).toBe(404);
  });
});

describe("who asks", () => {
  test("is told by /me", async () => {
    expect((await t.ask("GET", "/api/rc/me")).json).toEqual({
      data: { email: "owner@localhost", name: "Owner", tier: "self-hosted" },
    });
  });

  test.each([
    undefined,
    "",
    "Token",
    "Token ",
    "Token rc_wrong",
    "Bearer {}",
    "Basic {}",
    "{}",
    "Token {} {}",
    "Token {}x",
  ])("is turned away with the header %j", async (header) => {
    const headers = header === undefined ? {} : { authorization: header.replaceAll("{}", t.token) };
    const answer = await t.app.request("/api/rc/me", { headers: { host: "localhost", ...headers } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain("Token");
  });

  test("is turned away once the token is revoked", async () => {
    const made = t.plane.accounts.createToken(t.account, "laptop");
    const headers = { authorization: `Token ${made.secret}` };
    expect((await t.ask("GET", "/api/rc/me", undefined, headers)).status).toBe(200);
    t.plane.accounts.revokeToken(t.account, made.id);
    expect((await t.ask("GET", "/api/rc/me", undefined, headers)).status).toBe(401);
  });

  test("leaves the time of its last call, to the minute", async () => {
    const last = (): number | null | undefined => t.plane.accounts.tokens(t.account)[0]?.lastUsedAt;
    await t.ask("GET", "/api/rc/me");
    const first = t.clock.time;
    t.clock.time += 59_000;
    await t.ask("GET", "/api/rc/me");
    expect(last()).toBe(first);
    t.clock.time += 1_000;
    await t.ask("GET", "/api/rc/me");
    expect(last()).toBe(first + 60_000);
  });
});

describe("health", () => {
  test("is told to anybody", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      expect((await t.app.request(path, { headers: { host: "localhost" } })).status).toBe(200);
    }
  });

  test("is not claimed when the store is closed", async () => {
    t.store.close();
    expect((await t.app.request("/healthz", { headers: { host: "localhost" } })).status).toBe(200);
    expect((await t.app.request("/readyz", { headers: { host: "localhost" } })).status).toBeGreaterThanOrEqual(500);
  });
});
