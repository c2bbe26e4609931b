// Sessions end to end: the built client, the real server, the system's ssh.
import { execa } from "execa";
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { askMaster } from "../../src/ssh/mux.ts";
import { onGoodSession } from "../../src/bundle/made-good.ts";
import { cachedSessions } from "../../src/bundle/sessions.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { NotStarted } from "../../src/ssh/channel.ts";
import { describeWith, testServer, type TestClient, type TestServer } from "../harness/index.ts";

interface Connected {
  readonly config: string;
  readonly command: readonly string[];
  readonly workspace_id: number;
  readonly expires_at: string;
  readonly reused: boolean;
  readonly started: boolean;
}

describeWith("ssh")("a session", () => {
  let server: TestServer;
  let client: TestClient;
  let id: number;

  beforeAll(async () => {
    server = await testServer();
    client = await server.client();
    id = (await client.ok(["create", "demo", "--wait", "--json"])).json<{ id: number }>().id;
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    await client.ok(["clean", "--all"]);
  });

  const dir = (): string => path.join(client.home.dir, ".cache", "runcode", `ws-${id}`);
  const connect = async (...words: string[]): Promise<Connected> =>
    (await client.ok(["connect", "demo", "--json", ...words])).json<Connected>();
  const controlPath = async (): Promise<string> =>
    (JSON.parse(await readFile(path.join(dir(), "meta.json"), "utf8")) as { controlPath: string }).controlPath;

  test("is minted once by fifty that start at once, and all of them get the same key", async () => {
    const ran = await Promise.all(Array.from({ length: 50 }, () => connect()));
    expect(ran.filter(({ reused }) => !reused)).toHaveLength(1);
    expect(new Set(ran.map(({ expires_at }) => expires_at)).size).toBe(1);
  });

  test("is private on disk, and leaves nothing else behind", async () => {
    await connect();
    expect((await lstat(dir())).mode & 0o777).toBe(0o700);
    const files = await readdir(dir());
    expect(files.toSorted()).toEqual(["config", "id_ed25519", "id_ed25519.pub", "known_hosts", "meta.json"]);
    for (const file of files) expect((await lstat(path.join(dir(), file))).mode & 0o777).toBe(0o600);
  });

  test("clears away the key of a writer that was killed before it was done", async () => {
    await connect();
    await mkdir(path.join(dir(), ".new-0123456789ab"), { mode: 0o700 });
    await writeFile(path.join(dir(), ".new-0123456789ab", "id_ed25519"), "a key");
    await connect("--force");
    expect((await readdir(dir())).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("that takes no command is mended and tried once more, and then no more", async () => {
    await connect();
    const sessions = cachedSessions({
      cacheDir: path.join(client.home.dir, ".cache", "runcode"),
      runtimeDir: undefined,
      platform: process.platform,
      uid: process.getuid?.() ?? null,
      apiBase: server.facts.api_base,
      clock: systemClock,
      api: () => Promise.reject(new Error("nothing is to be minted")),
    });
    const { session } = await sessions.ensure(id);
    let tries = 0;
    const silent = (): Promise<never> => {
      tries++;
      return Promise.reject(new NotStarted("silent", "no answer"));
    };
    await expect(onGoodSession(sessions, session, silent)).rejects.toMatchObject({
      code: "ssh_failed",
      phase: "connect",
    });
    expect(tries).toBe(2);
  });

  test("that cannot be written for what stands in its way says what to move", async () => {
    await writeFile(dir(), "in the way");
    expect((await client.run(["connect", "demo", "--json"])).json()).toMatchObject({
      error: "io",
      message: expect.stringContaining("a file stands where a directory should be"),
      hint: expect.stringContaining("move"),
    });
    expect((await client.ok(["clean", "--all", "--json"])).json()).toEqual({
      removed: [{ workspace_id: id, path: dir() }],
    });
    await connect();
  });

  test("carries the system's ssh by nothing but its own config", async () => {
    const { command } = await connect("--wait");
    const [file, ...args] = command as [string, ...string[]];
    const { stdout } = await execa(file, [...args, "echo hello"], { env: client.home.env, extendEnv: false });
    expect(stdout).toBe("hello");
  });

  test("is used again while it is good, and replaced when that is asked for", async () => {
    const first = await connect();
    expect((await connect()).expires_at).toBe(first.expires_at);
    const key = await readFile(path.join(dir(), "id_ed25519"), "utf8");
    expect(await connect("--force")).toMatchObject({ reused: false });
    expect(await readFile(path.join(dir(), "id_ed25519"), "utf8")).not.toBe(key);
  });

  test("that is replaced retires its master: nothing new rides it, what runs over it finishes", async () => {
    const { command } = await connect("--wait");
    const old = await controlPath();
    expect(await askMaster(old, "alive")).toBe(true);
    const [file, ...args] = command as [string, ...string[]];
    const running = execa(file, [...args, "echo began; read line; echo got $line"], {
      env: client.home.env,
      extendEnv: false,
    });
    await new Promise((resolve) => running.stdout?.once("data", resolve));
    await connect("--wait", "--force");
    expect(await controlPath()).not.toBe(old);
    expect(await askMaster(old, "alive")).toBe(false);
    running.stdin?.end("on\n");
    expect((await running).stdout).toBe("began\ngot on");
  });

  test("whose key the server forgot is replaced once, without a word", async () => {
    await connect("--wait");
    await askMaster(await controlPath(), "terminate");
    // Deleting and making the workspace again would change its id; a key that was never registered looks the same to the gateway.
    const meta = path.join(dir(), "meta.json");
    const other = (await readFile(path.join(dir(), "config"), "utf8")).replace("User demo", "User demo-gone");
    const { createHash } = await import("node:crypto");
    const facts = JSON.parse(await readFile(meta, "utf8")) as { digests: Record<string, string> };
    facts.digests["config"] = createHash("sha256").update(other).digest("hex");
    await writeFile(path.join(dir(), "config"), other);
    await writeFile(meta, JSON.stringify(facts));
    expect(await connect("--wait")).toMatchObject({ reused: false });
  });

  test("whose gateway shows another host key is refused and not replaced", async () => {
    await connect();
    const { createHash } = await import("node:crypto");
    const { HOST_KEY } = await import("./plane.ts");
    const pins = path.join(dir(), "known_hosts");
    const [name] = (await readFile(pins, "utf8")).split(" ");
    const forged = `${name} ${HOST_KEY}\n`;
    const meta = path.join(dir(), "meta.json");
    const facts = JSON.parse(await readFile(meta, "utf8")) as { digests: Record<string, string> };
    facts.digests["known_hosts"] = createHash("sha256").update(forged).digest("hex");
    await writeFile(pins, forged);
    await writeFile(meta, JSON.stringify(facts));
    const ran = await client.run(["connect", "demo", "--wait", "--json"]);
    expect(ran.exitCode).toBe(8);
    expect(ran.json()).toMatchObject({ error: "host_key_mismatch" });
  });

  test.each<[string, (dir: string) => Promise<unknown>]>([
    ["its meta.json is garbage", (at) => writeFile(path.join(at, "meta.json"), "{")],
    ["its meta.json is of a later version", (at) => writeFile(path.join(at, "meta.json"), '{"version":99}')],
    ["its meta.json lost a field", (at) => edit(at, (meta) => delete meta["host"])],
    ["its port is a word", (at) => edit(at, (meta) => (meta["port"] = "22"))],
    ["it is from the future", (at) => edit(at, (meta) => (meta["mintedAt"] = Date.now() + 3_600_000))],
    ["it is of another control plane", (at) => edit(at, (meta) => (meta["apiBase"] = "https://elsewhere.example"))],
    ["its config was tampered with", (at) => writeFile(path.join(at, "config"), "Host *\n  ProxyCommand false\n")],
    ["its pins were tampered with", (at) => writeFile(path.join(at, "known_hosts"), "* ssh-ed25519 AAAA\n")],
    ["its key is gone", (at) => rm(path.join(at, "id_ed25519"))],
    ["its key can be read by others", (at) => chmod(path.join(at, "id_ed25519"), 0o644)],
    ["its folder is open to others", (at) => chmod(at, 0o755)],
    ["a file of it is a link", (at) => linked(path.join(at, "config"))],
  ])("is minted anew when %s", async (_, damage) => {
    await connect();
    await damage(dir());
    expect(await connect("--wait")).toMatchObject({ reused: false });
    expect(await connect()).toMatchObject({ reused: true });
  });

  test("is not written through a link that sits where its folder should be", async () => {
    const elsewhere = path.join(client.home.dir, "elsewhere");
    await mkdir(elsewhere, { recursive: true, mode: 0o700 });
    await symlink(elsewhere, dir());
    const ran = await client.run(["connect", "demo", "--json"]);
    expect(ran.json()).toMatchObject({ error: "io" });
    expect(await readdir(elsewhere)).toEqual([]);
    await rm(dir());
  });

  test("of a home with a long name, with spaces, quotes' cousins and percent signs, works all the same", async () => {
    const cache = path.join(client.home.dir, `a b%d'c ${"long ".repeat(20)}end`);
    const env = { XDG_CACHE_HOME: cache };
    try {
      const { command } = (await client.ok(["connect", "demo", "--wait", "--json"], { env })).json<Connected>();
      const [file, ...args] = command as [string, ...string[]];
      const { stdout } = await execa(file, [...args, "echo hello"], { env: client.home.env, extendEnv: false });
      expect(stdout).toBe("hello");
      const meta = await readFile(path.join(cache, "runcode", `ws-${id}`, "meta.json"), "utf8");
      const { controlPath: socket } = JSON.parse(meta) as { controlPath: string };
      expect(Buffer.byteLength(socket) + 17).toBeLessThan(104);
      expect(await askMaster(socket, "alive")).toBe(true);
      expect((await lstat(path.dirname(socket))).mode & 0o777).toBe(0o700);
    } finally {
      await client.ok(["clean", "--all"], { env });
    }
  });

  test("is shown by current and status, and gone after disconnect, all without the network", async () => {
    const { config } = await connect("--wait");
    const env = { RUNCODE_TOKEN: "not-the-token" };
    expect((await client.ok(["current", "--json"], { env })).json()).toMatchObject({
      workspace_id: id,
      config,
      valid: true,
      connected: true,
    });
    expect((await client.ok(["status", "--json"], { env })).json()).toMatchObject({
      attached: id,
      sessions: [{ workspace_id: id, attached: true, valid: true, connected: true }],
    });
    const socket = await controlPath();
    expect((await client.ok(["disconnect", "--json"], { env })).json()).toEqual({
      disconnected: true,
      workspace_id: id,
      title: "demo",
      session_removed: true,
    });
    expect(await askMaster(socket, "alive")).toBe(false);
    expect((await client.run(["current", "--json"], { env })).json()).toMatchObject({ error: "not_attached" });
    expect((await client.ok(["disconnect", "--json"], { env })).json()).toMatchObject({ disconnected: false });
    expect((await client.ok(["status", "--json"], { env })).json()).toEqual({ attached: null, sessions: [] });
  });

  test("stays with disconnect --keep, and clean takes it then", async () => {
    await connect();
    expect((await client.ok(["disconnect", "--keep", "--json"])).json()).toMatchObject({ session_removed: false });
    expect((await client.ok(["clean", "--json"])).json()).toEqual({ removed: [{ workspace_id: id, path: dir() }] });
  });

  test("that is attached is left alone by clean, and taken by clean --all, with the older client's folder", async () => {
    await connect();
    const older = path.join(client.home.dir, ".config", "runcode", "ws", "12");
    await mkdir(older, { recursive: true });
    await writeFile(path.join(older, "id_ed25519"), "old");
    expect((await client.ok(["clean", "--json"])).json()).toEqual({ removed: [{ workspace_id: 12, path: older }] });
    expect((await client.ok(["current"])).stdout).toBe("demo\n");
    expect((await client.ok(["clean", "--all", "--json"])).json()).toEqual({
      removed: [{ workspace_id: id, path: dir() }],
    });
    expect((await client.run(["current"])).exitCode).toBe(3);
  });

  test("of two control planes with the same ids live side by side, each with its own key", async () => {
    const second = await testServer();
    try {
      const env = { RUNCODE_API_BASE: second.facts.api_base, RUNCODE_TOKEN: second.facts.owner_token };
      await client.ok(["create", "demo", "--wait"], { env });
      const mine = await connect("--wait");
      const other = (await client.ok(["connect", "demo", "--wait", "--json"], { env })).json<Connected>();
      expect(other.workspace_id).toBe(mine.workspace_id);
      expect(other.config).not.toBe(mine.config);
      expect(await connect()).toMatchObject({ reused: true, config: mine.config });
      expect((await client.ok(["connect", "demo", "--json"], { env })).json()).toMatchObject({
        reused: true,
        config: other.config,
      });
      await client.ok(["clean", "--all"]);
    } finally {
      await second.close();
    }
  });
});

async function edit(dir: string, change: (meta: Record<string, unknown>) => unknown): Promise<void> {
  const file = path.join(dir, "meta.json");
  const meta = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  change(meta);
  await writeFile(file, JSON.stringify(meta));
}

async function linked(file: string): Promise<void> {
  await writeFile(`${file}.real`, await readFile(file), { mode: 0o600 });
  await rm(file);
  await symlink(`${file}.real`, file);
}
