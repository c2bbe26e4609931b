import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testServer, type TestServer } from "../harness/index.ts";
import { openSocket, type RawSocket } from "./raw-socket.ts";
import { api, cookie, makeWorkspace } from "./owner.ts";

/** Where a test looks into /proc. */
const onLinux = process.platform === "linux" ? test : test.skip;

describe("the terminal's WebSocket", () => {
  let server: TestServer;
  let login: string;
  const base = (): string => server.facts.web_base;
  const headers = (more: Record<string, string> = {}): Record<string, string> => ({
    cookie: login,
    origin: base(),
    ...more,
  });
  const open = async (query = "", title = "box"): Promise<RawSocket> => {
    const socket = await openSocket(`${base()}/w/${title}/terminal${query}`, headers());
    if (typeof socket === "number") throw new Error(`refused with ${socket}`);
    return socket;
  };
  /** Runs a line and gives what it printed between two marks. */
  const answer = async (socket: RawSocket, command: string): Promise<string> => {
    let text = "";
    socket.onBinary = (payload) => (text += payload.toString("latin1"));
    socket.send(Buffer.from(`echo beg''in; ${command}; echo fin''ish\n`));
    await socket.until(() => /begin\r?\n[^]*finish\r?\n/.test(text));
    return (/begin\r?\n([^]*?)finish\r?\n/.exec(text)?.[1] ?? "").trim();
  };

  beforeAll(async () => {
    // Process ids are the machine's own with this driver, so that a test can see whether one lives.
    server = await testServer(["--driver", "process"]);
    await makeWorkspace(server.facts, { title: "box", start: true });
    const { name, value } = await cookie(server.facts);
    login = `${name}=${value}`;
  });
  afterAll(() => server.close());

  test("is refused to whoever is not logged in, with whatever they have instead", async () => {
    const url = `${base()}/w/box/terminal`;
    expect(await openSocket(url, { origin: base() })).toBe(401);
    expect(await openSocket(url, { origin: base(), cookie: `${login.split("=")[0]}=rcw_${"A".repeat(43)}` })).toBe(401);
    const token = server.facts.owner_token;
    expect(await openSocket(url, { origin: base(), authorization: `Token ${token}` })).toBe(401);
    expect(await openSocket(url, { origin: base(), cookie: `${login.split("=")[0]}=${token}` })).toBe(401);
  });

  test("is refused to every origin but the server's own, another port of this machine included", async () => {
    const url = `${base()}/w/box/terminal`;
    const port = Number(new URL(base()).port);
    for (const origin of [
      "https://evil.example",
      `http://127.0.0.1:${port + 1}`,
      `http://localhost:${port}`,
      `https://127.0.0.1:${port}`,
      `http://127.0.0.1:${port}.evil.example`,
      `http://evil.example/127.0.0.1:${port}`,
      "http://127.0.0.1",
      "null",
      "",
      "file://",
    ]) {
      expect(await openSocket(url, headers({ origin })), origin).toBe(403);
    }
    expect(await openSocket(url, { cookie: login }), "no origin at all").toBe(403);
    // A name that leads here and is not ours (DNS rebinding) has a matching origin, and is refused by its name.
    expect(await openSocket(url, headers({ host: "evil.example", origin: "http://evil.example" }))).toBe(421);
  });

  test("is not there for a workspace that is not there, and for a request that is no upgrade", async () => {
    expect(await openSocket(`${base()}/w/nobody/terminal`, headers())).toBe(404);
    expect((await fetch(`${base()}/w/box/terminal`, { headers: headers() })).status).toBe(400);
  });

  test("says why in its close frame when the workspace is not running", async () => {
    await makeWorkspace(server.facts, { title: "asleep" });
    const socket = await open("", "asleep");
    await socket.until(() => socket.closed !== null);
    expect(socket.closed).toEqual({ code: 4409, reason: "the workspace is not running" });
  });

  test("gives the shell the size that was asked for, and every later one", async () => {
    const socket = await open("?columns=91&rows=37");
    expect(await answer(socket, "stty size")).toBe("37 91");
    socket.send(JSON.stringify({ type: "resize", columns: 132, rows: 50 }));
    expect(await answer(socket, "stty size")).toBe("50 132");
    socket.close();
  });

  test("tells the exit code after the last byte, then closes", async () => {
    const socket = await open();
    let text = "";
    socket.onBinary = (payload) => (text += payload.toString());
    socket.send(Buffer.from("printf 'la''st'; exit 7\n"));
    await socket.until(() => socket.closed !== null);
    expect(text).toContain("last");
    expect(socket.texts.map((it) => JSON.parse(it) as unknown)).toEqual([{ type: "exit", code: 7 }]);
    expect(socket.closed?.code).toBe(1000);
  });

  test.each([
    ["no JSON", "resize"],
    ["an unknown type", '{"type":"reboot"}'],
    ["a size of nothing", '{"type":"resize","columns":0,"rows":24}'],
    ["a size beyond all screens", '{"type":"resize","columns":80,"rows":1000000}'],
    ["a size that is no number", '{"type":"resize","columns":"80","rows":24}'],
    ["a window that takes back", '{"type":"window","bytes":-1}'],
  ])("is closed on a control message with %s", async (_what, message) => {
    const socket = await open();
    socket.send(message);
    await socket.until(() => socket.closed !== null);
    expect(socket.closed?.code).toBe(1008);
  });

  test("takes five megabytes of input without losing one byte", async () => {
    const socket = await open();
    const bytes = Buffer.alloc(5_000_000, "0123456789abcdefghijklmnopqrstuvwxyz\n");
    let text = "";
    socket.onBinary = (payload) => (text += payload.toString());
    socket.send(
      Buffer.from(`stty raw -echo; echo rea''dy; head -c ${bytes.length} | sha256sum; stty sane; echo fin''ish\n`),
    );
    await socket.until(() => text.includes("ready"));
    for (let at = 0; at < bytes.length; at += 32_768) socket.send(bytes.subarray(at, at + 32_768));
    await socket.until(() => text.includes("finish"));
    expect(text).toContain(createHash("sha256").update(bytes).digest("hex"));
    socket.close();
  });

  test("sends no more than the window allows, and goes on when it is widened", async () => {
    const socket = await open();
    const window = 64 * 1024;
    socket.send(JSON.stringify({ type: "window", bytes: window }));
    socket.send(Buffer.from("stty -onlcr; head -c 3000000 /dev/zero; echo fin''ish\n"));
    await socket.until(() => socket.received >= window);
    // What was already read from the shell may be one chunk over; a message that goes there and back shows that no more comes.
    for (let round = 0; round < 20; round++) await pingPong(socket);
    expect(socket.received).toBeLessThan(window + 512 * 1024);
    let tail = "";
    socket.onBinary = (payload) => (tail = (tail + payload.toString("latin1")).slice(-100));
    socket.send(JSON.stringify({ type: "window", bytes: 100_000_000 }));
    await socket.until(() => tail.includes("finish"));
    expect(socket.received).toBeGreaterThan(3_000_000);
    socket.close();
  });

  onLinux(
    "a peer that does not read makes the shell wait and not the server grow; all of it arrives in the end",
    async () => {
      const size = 96 * 1024 * 1024;
      const socket = await open();
      const home = await answer(socket, "echo $HOME");
      expect(await answer(socket, "stty -onlcr; echo set")).toContain("set");
      const resident = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.facts.pid}/status`, "utf8"))?.[1]) * 1024;
      const before = resident();
      const start = socket.received;
      socket.onBinary = () => {};
      socket.stream.pause();
      socket.send(Buffer.from(`head -c ${size} /dev/zero; touch done; exit\n`));
      // Until the server's memory has not changed for a while: it has taken what it will take.
      for (let last = 0, calm = 0; calm < 10;) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const now = resident();
        calm = Math.abs(now - last) < 1024 * 1024 ? calm + 1 : 0;
        last = now;
      }
      expect(resident() - before).toBeLessThan(64 * 1024 * 1024);
      expect(existsSync(`${home}/workspace/done`)).toBe(false);
      socket.stream.resume();
      await socket.until(() => socket.closed !== null);
      expect(socket.received - start).toBeGreaterThanOrEqual(size);
      expect(socket.closed?.code).toBe(1000);
    },
  );

  onLinux("a closed connection ends the shell and what it runs", async () => {
    const socket = await open();
    const pids = await answer(socket, "sleep 1000 & echo $$ $!");
    const [shell, child] = (/(\d+) (\d+)$/.exec(pids) ?? []).slice(1).map(Number);
    const lives = (pid: number | undefined): boolean => existsSync(`/proc/${pid}`);
    // Until it is the program, it is a shell that catches the hang-up and forgets it when it becomes the program.
    await expect.poll(() => readFileSync(`/proc/${child}/comm`, "utf8")).toBe("sleep\n");
    expect([lives(shell), lives(child)]).toEqual([true, true]);
    socket.close();
    await expect.poll(() => [lives(shell), lives(child)]).toEqual([false, false]);
  });

  test("whoever logs out has no terminal left", async () => {
    const { name, value } = await cookie(server.facts);
    const socket = await openSocket(`${base()}/w/box/terminal`, { cookie: `${name}=${value}`, origin: base() });
    if (typeof socket === "number") throw new Error(`refused with ${socket}`);
    const page = await (await fetch(base(), { headers: { cookie: `${name}=${value}` } })).text();
    const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] as string;
    const out = await fetch(`${base()}/auth/logout`, {
      method: "POST",
      body: new URLSearchParams({ csrf }),
      headers: { cookie: `${name}=${value}` },
      redirect: "manual",
    });
    expect(out.status).toBe(303);
    await socket.until(() => socket.closed !== null);
    expect(socket.closed?.code).toBe(4401);
  });

  test("one account has 32 terminals at once, and a closed one makes room", async () => {
    const open32 = await Promise.all(Array.from({ length: 32 }, () => open()));
    const extra = await open();
    await extra.until(() => extra.closed !== null);
    expect(extra.closed?.code).toBe(4429);
    open32[0]?.close();
    for (let round = 0; round < 100; round++) {
      const again = await open();
      // One that is let in prints its prompt, one that is not is closed.
      await again.until(() => again.received > 0 || again.closed !== null);
      again.close();
      if (again.closed === null) break;
      expect(round).toBeLessThan(99);
    }
    for (const socket of open32) socket.close();
  });

  test("a form without the browser's own CSRF value, or from another site, changes nothing", async () => {
    const post = (more: Record<string, string>, body: Record<string, string>): Promise<Response> =>
      fetch(`${base()}/w/box/stop`, {
        method: "POST",
        body: new URLSearchParams(body),
        headers: { cookie: login, ...more },
        redirect: "manual",
      });
    const page = await (await fetch(base(), { headers: { cookie: login } })).text();
    const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] as string;
    expect((await post({}, {})).status).toBe(403);
    expect((await post({}, { csrf: `${csrf}x` })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "cross-site" }, { csrf })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "same-site" }, { csrf })).status).toBe(403);
    expect((await post({ cookie: "" }, { csrf })).status).toBe(401);
    const listed = await (await api(server.facts, "/workspaces")).text();
    expect(listed).toMatch(/"title":"box"[^}]*"current_state":"running"/);
  });

  test("pages and assets are sent under a strict policy, and assets for ever", async () => {
    const page = await fetch(`${base()}/w/box`, { headers: { cookie: login } });
    const policy = page.headers.get("content-security-policy") ?? "";
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'self'",
    ]) {
      expect(policy.split("; ")).toContain(part);
    }
    expect(policy).not.toContain("unsafe");
    expect(page.headers.get("cache-control")).toBe("no-store");
    const text = await page.text();
    expect(text).not.toMatch(/<script(?![^>]* src=)|\son\w+=|style="/);
    for (const [, path] of text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
      const asset = await fetch(base() + path, { headers: { "accept-encoding": "identity" } });
      expect(asset.status).toBe(200);
      expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      const hash = createHash("sha256")
        .update(await asset.bytes())
        .digest("base64url")
        .slice(0, 12);
      expect(path).toContain(`.${hash}.`);
    }
    const status = await fetch(`${base()}/w/box/status`, { headers: { cookie: login } });
    const again = await fetch(`${base()}/w/box/status`, {
      headers: { cookie: login, "if-none-match": status.headers.get("etag") as string },
    });
    expect(again.status).toBe(304);
  });
});

let pings = 0;
/** Answered in order with all that is sent (RFC 6455 §5.5.3). */
async function pingPong(socket: RawSocket): Promise<void> {
  const mark = `mark-${(pings += 1)}`;
  socket.send(Buffer.from(mark), 9);
  await socket.until(() => socket.pongs.has(mark));
}
