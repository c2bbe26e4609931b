// The control plane as an enemy: whatever it answers, the client gives a named error, writes nothing into the cache, and starts no ssh.
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { generateKey } from "../../src/bundle/keys.ts";
import { runProgram, testHome, type Ran, type TestHome } from "../harness/index.ts";
import { goodBundle, HOST_KEY, lyingPlane, markingSsh, WORKSPACE, type Answer, type LyingPlane } from "./plane.ts";

let plane: LyingPlane;
let home: TestHome;
let ssh: Awaited<ReturnType<typeof markingSsh>>;

beforeAll(async () => {
  plane = lyingPlane();
  home = await testHome();
  ssh = await markingSsh(home.dir);
});
afterAll(async () => {
  await plane.close();
  await home.remove();
});
beforeEach(() => {
  plane.answers = {};
  plane.seen.length = 0;
});
afterEach(() => rm(path.join(home.dir, ".cache", "runcode"), { recursive: true, force: true }));

const run = (words: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  runProgram([...words, "--json"], {
    env: { ...home.env, PATH: ssh.path, RUNCODE_API_BASE: plane.base, RUNCODE_TOKEN: "secret-token-1", ...env },
  });
const connect = (): Promise<Ran> => run(["connect", "demo", "--wait", "--timeout", "1m"]);

/** All files below the cache but the locks, which are empty and say nothing. */
async function written(): Promise<string[]> {
  const all = await readdir(path.join(home.dir, ".cache"), { recursive: true }).catch(() => []);
  return all.map(String).filter((file) => !/^runcode(\/locks(\/ws-\d+)?)?$/.test(file));
}

async function expectRefused(ran: Ran, code: string, exit: number): Promise<void> {
  expect({ ...ran.json(), exit: ran.exitCode }).toMatchObject({ error: code, exit });
  expect(await written()).toEqual([]);
  expect(await ssh.calls()).toBe("");
  expect(ran.stdout + ran.stderr).not.toContain("secret-token-1");
}

const without = (field: string): Record<string, unknown> => {
  const { [field]: _, ...rest } = goodBundle();
  return rest;
};
const spoiled = (field: string, value: unknown): Record<string, unknown> => ({ ...goodBundle(), [field]: value });
const base64 = (HOST_KEY.split(" ")[1] ?? "") as string;
const strangerCertificate = `ssh-ed25519-cert-v01@openssh.com ${(await generateKey("x")).blob.toString("base64")}`;

const UNSAFE: [what: string, bundle: unknown][] = [
  ["no bundle at all", undefined],
  ["null", null],
  ["a list", []],
  ["a string", "host"],
  ["an empty object", {}],
  ...["host", "port", "user", "known_hosts", "expires_at"].flatMap((field): [string, unknown][] => [
    [`no ${field}`, without(field)],
    [`${field} null`, spoiled(field, null)],
    [`${field} an object`, spoiled(field, { toString: "x" })],
  ]),
  ["a host that is an option", spoiled("host", "-oProxyCommand=touch /tmp/owned")],
  ["a host with a space", spoiled("host", "a b")],
  ["a host with a line end", spoiled("host", "127.0.0.1\n  ProxyCommand touch /tmp/owned")],
  ["a host with a shell's words", spoiled("host", "$(touch /tmp/owned)")],
  ["a host with a percent token", spoiled("host", "%d")],
  ["an empty host", spoiled("host", "")],
  ["a host in brackets with another port", spoiled("host", "[127.0.0.1]:22")],
  ["a host without end", spoiled("host", "a".repeat(5000))],
  ["port 0", spoiled("port", 0)],
  ["port 65536", spoiled("port", 65_536)],
  ["a negative port", spoiled("port", -22)],
  ["half a port", spoiled("port", 22.5)],
  ["a port in words", spoiled("port", "22")],
  ["a port that is a line", spoiled("port", "22\nProxyCommand x")],
  ["a user that is an option", spoiled("user", "-F/etc/passwd")],
  ["a user with a line end", spoiled("user", "demo\nProxyCommand x")],
  ["a user with a carriage return", spoiled("user", "demo\rInclude x")],
  ["a user with an at sign", spoiled("user", "root@elsewhere")],
  ["a user with a star", spoiled("user", "*")],
  ["a user with a quote", spoiled("user", 'demo"')],
  ["an empty user", spoiled("user", "")],
  ["a user with a NUL", spoiled("user", "demo\0")],
  ["no pinned key", spoiled("known_hosts", "")],
  ["a pinned key of another host", spoiled("known_hosts", `elsewhere ${HOST_KEY}`)],
  ["a pinned key of another port", spoiled("known_hosts", `[127.0.0.1]:2 ${HOST_KEY}`)],
  ["a pinned key for every host", spoiled("known_hosts", `* ${HOST_KEY}`)],
  ["a pinned key for all but one host", spoiled("known_hosts", `!other ${HOST_KEY}`)],
  ["a certificate authority", spoiled("known_hosts", `@cert-authority [127.0.0.1]:1 ${HOST_KEY}`)],
  ["a revocation", spoiled("known_hosts", `@revoked [127.0.0.1]:1 ${HOST_KEY}`)],
  ["a hashed name", spoiled("known_hosts", `|1|c2FsdHNhbHQ=|aGFzaGhhc2g= ${HOST_KEY}`)],
  ["a comment", spoiled("known_hosts", `# [127.0.0.1]:1 ${HOST_KEY}`)],
  ["a key type that does not exist", spoiled("known_hosts", `[127.0.0.1]:1 ssh-magic ${base64}`)],
  ["a DSA key", spoiled("known_hosts", `[127.0.0.1]:1 ssh-dss ${base64}`)],
  ["a key that is none of its type", spoiled("known_hosts", `[127.0.0.1]:1 ssh-rsa ${base64}`)],
  ["a key that is no base64", spoiled("known_hosts", "[127.0.0.1]:1 ssh-ed25519 !!!!")],
  ["a key that is cut off", spoiled("known_hosts", `[127.0.0.1]:1 ssh-ed25519 ${base64.slice(0, 40)}`)],
  ["a name and a type alone", spoiled("known_hosts", "[127.0.0.1]:1 ssh-ed25519")],
  ["an expiry in the past", spoiled("expires_at", "2020-01-01T00:00:00Z")],
  ["an expiry without a zone", spoiled("expires_at", "2999-01-01T00:00:00")],
  ["an expiry in words", spoiled("expires_at", "tomorrow")],
  ["an expiry on 30 February", spoiled("expires_at", "2999-02-30T00:00:00Z")],
  ["an expiry that is a number", spoiled("expires_at", 4_000_000_000)],
  ["an empty expiry", spoiled("expires_at", "")],
  ...[
    "ProxyCommand touch /tmp/owned",
    "proxycommand=touch /tmp/owned",
    "Host x\n\tPROXYCOMMAND\ttouch /tmp/owned",
    "LocalCommand touch /tmp/owned",
    "PermitLocalCommand yes",
    "KnownHostsCommand /bin/echo",
    "Include ~/evil",
    "include=/tmp/evil",
    "Match host * exec touch",
    'Match user x !exec "touch /tmp/owned"',
    '"ProxyCommand" touch /tmp/owned',
    "Host a\r\nProxyCommand x",
  ].map((text): [string, unknown] => [`ssh_config ${JSON.stringify(text)}`, spoiled("ssh_config", text)]),
  ["ssh_config of another type", spoiled("ssh_config", 5)],
  ["a certificate that is none", spoiled("certificate", "ssh-ed25519-cert-v01@openssh.com AAAA")],
  ["a certificate for another key", spoiled("certificate", strangerCertificate)],
  ["a certificate that is a private key", spoiled("certificate", "-----BEGIN OPENSSH PRIVATE KEY-----")],
  ["capabilities in words", spoiled("capabilities", "all")],
  ["a web_url of another type", spoiled("web_url", 1)],
];

describe("a bundle that must not be believed", () => {
  test("as against a good one: that is written, and ssh is started", async () => {
    const ran = await connect();
    expect(ran.json()).toMatchObject({ error: "not_ready" });
    expect(await written()).toEqual(expect.arrayContaining(["runcode/ws-7/id_ed25519", "runcode/ws-7/meta.json"]));
    expect(await ssh.calls()).toContain("-F ");
    await rm(path.join(home.dir, "ssh-was-called"));
  });

  test.each(UNSAFE)("%s", async (_, bundle) => {
    plane.answers.mint = () => Response.json({ bundle });
    await expectRefused(await connect(), "unsafe_bundle", 8);
    expect(plane.seen.filter(({ method }) => method === "POST")).toHaveLength(1);
  });
});

const json =
  (body: unknown, init?: ResponseInit): Answer =>
  () =>
    Response.json(body, init);
const text =
  (body: string, init?: ResponseInit): Answer =>
  () =>
    new Response(body, init);

const ANSWERS: [what: string, answer: Answer, code: string, exit: number][] = [
  ["no JSON", text("<html>welcome to the hotel's wifi</html>"), "http_error", 1],
  ["half a JSON document", text('{"bundle":{"host":'), "http_error", 1],
  ["nothing", text(""), "http_error", 1],
  ["a list", json([]), "http_error", 1],
  ["an error that is true", json({ error: true, message: "no" }), "http_error", 1],
  ["an error in words, with status 200", json({ error: "no" }), "http_error", 1],
  ["two megabytes", text(" ".repeat(2 << 20)), "http_error", 1],
  ["a body that never ends", endless, "http_error", 1],
  ["400", json({ message: "bad" }, { status: 400 }), "bad_request", 2],
  ["401", json({ detail: "who are you" }, { status: 401 }), "unauthorized", 4],
  ["403", json({ error: "no" }, { status: 403 }), "forbidden", 4],
  ["404", text("nothing here", { status: 404 }), "not_found", 3],
  ["418", text("", { status: 418 }), "http_error", 1],
  ["500", text("<h1>oops</h1>", { status: 500 }), "http_error", 1],
  ["a redirect of the POST to a stranger", redirect(307, "https://stranger.invalid/"), "http_error", 1],
  ["a redirect of the POST that becomes a GET", redirect(302, "/elsewhere"), "http_error", 1],
  ["a redirect to plain http", redirect(307, "http://stranger.invalid/"), "insecure_base", 8],
  ["a redirect to a file", redirect(307, "file:///etc/passwd"), "insecure_base", 8],
  ["a redirect to nowhere", redirect(307, "http://[bad"), "http_error", 1],
];

function redirect(status: number, location: string): Answer {
  return () => new Response(null, { status, headers: { location } });
}

function endless(): Response {
  let on = true;
  const body = new ReadableStream({
    async pull(controller) {
      if (on) controller.enqueue(new Uint8Array(64 * 1024));
      await Promise.resolve();
    },
    cancel() {
      on = false;
    },
  });
  return new Response(body);
}

describe("an answer to the minting that is no bundle", () => {
  test.each(ANSWERS)("%s", async (_, answer, code, exit) => {
    plane.answers.mint = answer;
    await expectRefused(await connect(), code, exit);
  });

  test.each([
    [409, "conflict", 5],
    [429, "rate_limited", 6],
    [503, "unavailable", 6],
  ])("%i, without --wait", async (status, code, exit) => {
    plane.answers.mint = json({ message: "not now" }, { status });
    await expectRefused(await run(["connect", "demo"]), code, exit);
    // A session is never asked for twice on its own.
    expect(plane.seen.filter(({ method }) => method === "POST")).toHaveLength(1);
  });
});

describe("an answer to the list that is none", () => {
  test.each([
    ["no JSON", text("hello"), "http_error", 1],
    ["no data", json({}), "http_error", 1],
    ["workspaces that are an object", json({ data: { workspaces: {} } }), "http_error", 1],
    ["a loop of redirects", redirect(302, "/api/rc/workspaces"), "http_error", 1],
    ["401", json({}, { status: 401 }), "unauthorized", 4],
  ] as const)("%s", async (_, answer, code, exit) => {
    plane.answers.list = answer;
    await expectRefused(await run(["list"]), code, exit);
  });

  test("a malformed entry does not hide the others", async () => {
    plane.answers.list = json({
      data: {
        workspaces: [null, { id: "7" }, { id: 8, title: "../../etc" }, { id: 9, title: "a\u001b[2J" }, WORKSPACE],
      },
    });
    const ran = await run(["list"]);
    expect(ran.json<{ id: number }[]>().map(({ id }) => id)).toEqual([7]);
  });

  test("a workspace in both categories counts once, as owned", async () => {
    plane.answers.shared = json({ data: { workspaces: [WORKSPACE, { ...WORKSPACE, id: 8, title: "other" }] } });
    const ran = await run(["list"]);
    expect(ran.json()).toMatchObject([
      { id: 7, shared: false },
      { id: 8, shared: true },
    ]);
  });
});

describe("what a server says never reaches the terminal as more than text", () => {
  const POISON = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egnp.exe\r\nlast";
  const person = (words: readonly string[]): Promise<Ran> =>
    runProgram(words, {
      env: { ...home.env, PATH: ssh.path, RUNCODE_API_BASE: plane.base, RUNCODE_TOKEN: "secret-token-1" },
    });
  const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

  test("not by a custom title or a state in the list", async () => {
    plane.answers.list = json({
      data: { workspaces: [{ ...WORKSPACE, custom_title: POISON, current_state: POISON }] },
    });
    const ran = await person(["list"]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toContain("gnp.exe");
    expect(ran.stdout + ran.stderr).not.toMatch(CONTROLS);
  });

  test("not by an error's message, and that is cut at 500 characters", async () => {
    plane.answers.any = json({ message: POISON + "x".repeat(5000) }, { status: 403 });
    const ran = await person(["list"]);
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).not.toMatch(CONTROLS);
    expect(ran.stderr.split("\n")[0]?.length).toBeLessThan(520);
    const { message } = (await run(["list"])).json<{ message: string }>();
    expect(message).not.toMatch(CONTROLS);
    expect(message.length).toBe(500);
  });

  test("not by a state that a workspace is waited for in", async () => {
    plane.answers.list = json({ data: { workspaces: [{ ...WORKSPACE, current_state: POISON }] } });
    const ran = await person(["connect", "demo"]);
    expect(ran.exitCode).toBe(5);
    expect(ran.stderr).not.toMatch(CONTROLS);
  });
});

describe("a link for the browser", () => {
  test.each([
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://user:password@example.org/",
    "-oops",
    "data:text/html,x",
    "vscode://x",
  ])("is refused when it is %s", async (url) => {
    const there = { ...WORKSPACE, web_url: url };
    plane.answers.list = json({ data: { workspaces: [there] } });
    plane.answers.get = json({ data: { workspace: there } });
    expect((await run(["open", "demo", "--print"])).json()).toMatchObject({ error: "not_found" });
  });

  test("is printed when it is plain https", async () => {
    plane.answers.list = json({ data: { workspaces: [{ ...WORKSPACE, web_url: "https://example.org/w/demo" }] } });
    expect((await run(["open", "demo", "--print"])).json()).toEqual({
      url: "https://example.org/w/demo",
      opened: false,
    });
  });
});

describe("where a token goes", () => {
  test("not to another origin, whatever the redirect", async () => {
    const stranger = lyingPlane();
    try {
      plane.answers.list = (request) =>
        new Response(null, { status: 307, headers: { location: stranger.base + new URL(request.url).pathname } });
      expect((await run(["list"])).exitCode).toBe(0);
      expect(stranger.seen.map(({ authorization }) => authorization)).toEqual([null]);
      expect(plane.seen[0]?.authorization).toBe("Token secret-token-1");
    } finally {
      await stranger.close();
    }
  });

  test.each([
    "http://example.org",
    "http://127.0.0.1.example.org",
    "http://localhost.example.org",
    "ftp://x",
    "http://10.0.0.1",
  ])("not to %s", async (base) => {
    await expectRefused(await run(["list", "--api-base", base]), "insecure_base", 8);
    expect(plane.seen).toEqual([]);
  });

  test.each(["two words", "line\nend", "ü", ""])("not into a header when it is %j", async (token) => {
    const ran = await run(["list", "--token", token]);
    expect(ran.json()).toMatchObject({ error: "unauthorized" });
    expect(plane.seen).toEqual([]);
  });
});
