// `runcode serve` as people and scripts run it: the built program, its listeners, its directory.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  BINARY,
  checkDocuments,
  killForGood,
  type Ran,
  runProgram,
  type ServerFacts,
  type TestHome,
  testHome,
} from "../harness/index.ts";

let home: TestHome;
let dir: string;
const FREE = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"];
const serve = (...words: string[]): Promise<Ran> =>
  runProgram(["serve", ...words, "--data-dir", dir, "--json"], { env: home.env });
const detach = async (...words: string[]): Promise<ServerFacts> =>
  (await serve("--detach", ...FREE, ...words)).json<ServerFacts>();
const get = (facts: ServerFacts, where: string, token = facts.owner_token): Promise<Response> =>
  fetch(`${facts.api_base}${where}`, { headers: { authorization: `Token ${token}` } });
const greeting = (at: { host: string; port: number }): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(at).once("error", reject);
    socket.once("data", (data) => {
      resolve(String(data));
      socket.destroy();
    });
  });

beforeEach(async () => {
  home = await testHome();
  dir = path.join(home.dir, "srv");
});
afterEach(async () => {
  await serve("--stop");
  await rm(home.dir, { recursive: true, force: true });
});

describe("serve --detach", () => {
  test("returns when both listeners answer, says where, and gives the owner's token once", async () => {
    const facts = await detach();
    expect(facts).toMatchObject({
      pid: expect.any(Number),
      api_base: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      ssh: { host: "127.0.0.1", port: expect.any(Number) },
      data_dir: dir,
      owner_token: expect.stringMatching(/^rc_/),
    });
    expect((await get(facts, "/api/rc/me")).status).toBe(200);
    expect((await get(facts, "/readyz")).status).toBe(200);
    expect(await greeting(facts.ssh)).toMatch(/^SSH-2\.0-runcode/);
    await serve("--stop");
    expect(await detach()).not.toHaveProperty("owner_token");
  });

  test("keeps its host key and its tokens from one start to the next", async () => {
    const first = await detach();
    const key = readFileSync(path.join(dir, "host_ed25519"), "utf8");
    await serve("--stop");
    const second = await detach();
    expect(readFileSync(path.join(dir, "host_ed25519"), "utf8")).toBe(key);
    expect((await get(second, "/api/rc/me", first.owner_token)).status).toBe(200);
    const keygen = await execa("ssh-keygen", ["-y", "-f", path.join(dir, "host_ed25519")], { reject: false });
    expect(keygen.stdout).toMatch(/^ssh-ed25519 /);
  });

  test("is told by --status, ended by --stop, and neither minds that there is none", async () => {
    const none = await serve("--status");
    expect([none.exitCode, none.json()]).toEqual([3, { running: false, data_dir: dir }]);
    expect((await serve("--stop")).json()).toEqual({ stopped: false, data_dir: dir });
    const facts = await detach();
    expect((await serve("--status")).json()).toMatchObject({ running: true, pid: facts.pid, api_base: facts.api_base });
    expect((await serve("--stop")).json()).toEqual({ stopped: true, pid: facts.pid, data_dir: dir });
    expect((await serve("--status")).exitCode).toBe(3);
    await expect(get(facts, "/healthz")).rejects.toThrow();
  });

  test("refuses a directory that another server uses, and leaves that one alone", async () => {
    const facts = await detach();
    const second = await serve("--detach", ...FREE);
    expect([second.exitCode, second.json()["error"]]).toEqual([5, "conflict"]);
    expect(second.stdout).toContain("another server is using");
    expect((await serve("--status")).json()).toMatchObject({ pid: facts.pid });
    expect((await get(facts, "/healthz")).status).toBe(200);
  });

  test("says what is wrong when a port is taken, and leaves nothing running", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    try {
      const refused = await serve("--detach", "--http", `127.0.0.1:${port}`, "--ssh", "127.0.0.1:0");
      expect([refused.exitCode, refused.json()["error"]]).toEqual([9, "io"]);
      expect(refused.stdout).toContain(`127.0.0.1:${port}`);
      expect((await serve("--status")).json()).toMatchObject({ running: false });
    } finally {
      taken.close();
    }
  });

  test("ends no process that only has the number of a server that died", async () => {
    const facts = await detach();
    await killForGood(facts.pid);
    const bystander = execa("sleep", ["60"], { reject: false });
    try {
      const state = JSON.parse(readFileSync(path.join(dir, "server.json"), "utf8")) as object;
      await writeFile(path.join(dir, "server.json"), JSON.stringify({ ...state, pid: bystander.pid }));
      expect((await serve("--stop")).json()).toMatchObject({ stopped: false });
      expect(process.kill(bystander.pid ?? 0, 0)).toBe(true);
    } finally {
      bystander.kill("SIGKILL");
      await bystander;
    }
  });

  test("keeps everything it writes to its owner, and no token in any of it", async () => {
    const facts = await detach();
    const made = (await runProgram(["serve", "token", "--data-dir", dir], { env: home.env })).stdout.trim();
    await get(facts, "/api/rc/me", made);
    await get(facts, "/api/rc/me", "rc_wrongwrongwrong");
    await fetch(facts.login_url);
    await serve("--stop");
    const code = new URL(facts.login_url).searchParams.get("code") ?? "";
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(dir)) {
      const file = path.join(dir, name);
      if (statSync(file).isDirectory()) continue;
      expect([name, statSync(file).mode & 0o077]).toEqual([name, 0]);
      const text = readFileSync(file, "latin1");
      for (const secret of [facts.owner_token ?? "", made, code, "rc_wrongwrongwrong"]) {
        expect([name, text.includes(secret)]).toEqual([name, false]);
      }
    }
  });
});

test("nothing that others say forges a line of the log, or makes it show another text", async () => {
  const forged = "2030-01-01T00:00:00.000Z serving: all is well";
  const hostile = ["\u001b[2J", "\u0007", "\u0085", "\u009b2J", "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff"].join(
    "",
  );
  const env = { ...home.env, DOCKER_HOST: "unix:///nonexistent" };
  const words = ["serve", "--detach", ...FREE, "--driver", "process", "--runtime-api", "127.0.0.1:0"];
  const ran = await runProgram([...words, "--data-dir", dir, "--json"], { env });
  const facts = ran.json<ServerFacts & { runtime_api: string }>();
  /** As no client of ours would ask it. */
  const asked = async (base: string, target: string): Promise<void> => {
    const { hostname: host, port } = new URL(base);
    const socket = connect({ host, port: Number(port) });
    socket.on("error", () => {}).resume();
    socket.end(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    await once(socket, "close");
  };
  for (const base of [facts.api_base, facts.runtime_api]) {
    await asked(base, `/asked${hostile.replaceAll("\u0007", "")}`);
    await asked(base, `/asked%0A${encodeURIComponent(forged)}%0D${encodeURIComponent(hostile)}`);
    await asked(base, `/asked\r${forged}`);
  }
  const command = ["sh", "-c", `printf '%s\\n' '${hostile}' '${forged}'; exit 3`];
  const made = await fetch(`${facts.api_base}/api/rc/workspaces`, {
    method: "POST",
    headers: { authorization: `Token ${facts.owner_token}` },
    body: JSON.stringify({ title: "w", custom_title: `${hostile}\n${forged}`, command }),
  });
  expect(made.status).toBe(201);
  const started = (await (await get(facts, "/api/rc/workspace/start?workspace_id=1")).json()) as { message: string };
  expect(started.message).toContain("ended with exit code 3");
  await serve("--stop");

  const log = readFileSync(path.join(dir, "server.log"), "utf8");
  expect(log).toContain("GET /asked");
  expect(log).toContain("exit code 3");
  // Nothing but what a line is made of, and no line that the server did not begin itself.
  // oxlint-disable-next-line no-control-regex
  expect(log).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/);
  expect(log).not.toMatch(/^2030/m);
  for (const line of log.trimEnd().split("\n")) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]/);
});

describe("serve in the foreground", () => {
  test("prints where it is, serves, and drains on SIGTERM with exit 0", async () => {
    const child = execa(BINARY, ["serve", "--json", "--data-dir", dir, ...FREE], {
      env: home.env,
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
    });
    const facts = await new Promise<ServerFacts>((resolve) =>
      child.stdout.once("data", (line) => resolve(JSON.parse(String(line)) as ServerFacts)),
    );
    expect((await get(facts, "/api/rc/me")).status).toBe(200);
    const post = await fetch(`${facts.api_base}/api/rc/workspaces`, {
      method: "POST",
      headers: { authorization: `Token ${facts.owner_token}` },
      body: '{"title":"w"}',
    });
    expect(post.status).toBe(201);
    await get(facts, "/api/rc/workspace/start?workspace_id=1");
    child.kill("SIGTERM");
    const { stdout } = await child;
    expect((await child).exitCode).toBe(0);
    checkDocuments(["serve", "--json"], { stdout, exitCode: 0 });

    const again = await detach();
    const states = new Set<string>();
    // What ran when the server ended runs again; it may still be on its way.
    while (!states.has("running") && !states.has("stopped")) {
      await Bun.sleep(20);
      const answer = (await (await get(again, "/api/rc/workspace/1", facts.owner_token)).json()) as {
        data: { workspace: { current_state: string; interim_state: string } };
      };
      states.add(answer.data.workspace.interim_state || answer.data.workspace.current_state);
    }
    expect([...states].filter((state) => state !== "starting")).toEqual(["running"]);
  });

  test("ends also where nobody reads what it has to say", async () => {
    const fifo = path.join(home.dir, "unread");
    await execa("mkfifo", [fifo]);
    const unread = openSync(fifo, constants.O_RDWR);
    const filling = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    expect(() => {
      for (;;) writeSync(filling, Buffer.alloc(4096));
    }).toThrow("EAGAIN");
    try {
      const stdio = ["ignore", "pipe", unread] as const;
      const child = spawn(BINARY, ["serve", "--data-dir", dir, ...FREE], { env: home.env, stdio: [...stdio] });
      onTestFinished(() => void child.kill("SIGKILL"));
      await once(child.stdout as Readable, "data");
      child.kill("SIGTERM");
      expect(await once(child, "exit")).toEqual([0, null]);
    } finally {
      for (const fd of [filling, unread]) closeSync(fd);
    }
  });

  test("shows no token to a pipe that did not ask for JSON", async () => {
    const child = execa(BINARY, ["serve", "--data-dir", dir, ...FREE], {
      env: home.env,
      extendEnv: false,
      reject: false,
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGINT");
    const { stdout, stderr, exitCode } = await child;
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toMatch(/rc_|rcl_/);
    expect(stdout).toContain("runcode serve token");
    expect(stdout).toMatch(/driver (namespace|process) \(default\)/);
  });
});

test("two servers on one host keep a browser logged in to both", async () => {
  const cookieName = async (facts: ServerFacts): Promise<string | undefined> => {
    const answer = await fetch(`${facts.web_base}/auth/login`, {
      method: "POST",
      body: new URLSearchParams({ secret: facts.owner_token }),
      redirect: "manual",
    });
    return answer.headers.get("set-cookie")?.split("=")[0];
  };
  const first = await detach();
  const elsewhere = ["--data-dir", path.join(home.dir, "srv2"), "--json"];
  const second = await runProgram(["serve", "--detach", ...FREE, ...elsewhere], { env: home.env });
  try {
    const names = [await cookieName(first), await cookieName(second.json<ServerFacts>())];
    expect(names).toEqual([expect.stringMatching(/^runcode-/), expect.stringMatching(/^runcode-/)]);
    expect(names[0]).not.toBe(names[1]);
  } finally {
    await runProgram(["serve", "--stop", ...elsewhere], { env: home.env });
  }
});

describe("serve --driver", () => {
  const create = (facts: ServerFacts, driver: string): Promise<Response> =>
    fetch(`${facts.api_base}/api/rc/workspaces`, {
      method: "POST",
      headers: { authorization: `Token ${facts.owner_token}` },
      body: JSON.stringify({ driver }),
    });

  test("unnamed offers one driver only, so that no token gets round its isolation", async () => {
    const facts = await detach();
    expect(facts.drivers).toHaveLength(1);
    const other = facts.drivers[0] === "process" ? "namespace" : "process";
    expect((await create(facts, other)).status).toBe(400);
  });

  test("offers those that the operator names, the first by default", async () => {
    const drivers = (await detach()).drivers.includes("namespace") ? ["process", "namespace"] : ["process"];
    await serve("--stop");
    const facts = await detach("--driver", drivers.join(","));
    expect(facts.drivers).toEqual(drivers);
  });
});

describe("serve refuses", () => {
  test.each([
    [["--http", "0.0.0.0:0"], 8, "insecure_base"],
    [["--http", "192.0.2.1:0"], 8, "insecure_base"],
    [["--http", "[::]:0"], 8, "insecure_base"],
    [["--http", "example.org:0"], 8, "insecure_base"],
    [["--http", "127.evil.example:0"], 8, "insecure_base"],
    [["--http", "0.0.0.0:0", "--behind-proxy"], 2, "usage"],
    [["--public-url", "http://rc.example.org"], 8, "insecure_base"],
    [["--public-url", "https://rc.example.org/path"], 2, "usage"],
    [["--public-url", "https://me:secret@rc.example.org"], 2, "usage"],
    [["--http", "7070"], 2, "usage"],
    [["--http", "127.0.0.1:70700"], 2, "usage"],
    [["--ssh", "-oProxyCommand=x:22"], 2, "usage"],
    [["--tls-cert", "x"], 2, "usage"],
    [["--tls-cert", "missing", "--tls-key", "missing"], 9, "io"],
    [["--driver", "kubernetes"], 2, "usage"],
    [["--driver", "process,"], 2, "usage"],
    [["--status", "--stop"], 2, "usage"],
  ])("%j", async (words, exit, error) => {
    const refused = await serve("--detach", "--ssh", "127.0.0.1:0", ...words);
    const plain = words.includes("--status") || words.includes("--ssh") ? await serve(...words) : refused;
    expect([plain.exitCode, plain.json()["error"]]).toEqual([exit, error]);
  });

  test("a port that is taken, and says how to go on", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    for (const [flag, other] of [
      ["--http", "--ssh"],
      ["--ssh", "--http"],
    ] as const) {
      const refused = await serve("--detach", flag, `127.0.0.1:${port}`, other, "127.0.0.1:0");
      expect([refused.exitCode, refused.json()["error"]]).toEqual([9, "io"]);
      expect(refused.json()["hint"]).toContain(`${flag} 127.0.0.1:0`);
    }
    taken.close();
  });

  test("a directory in which others could have left a database of theirs", async () => {
    await mkdir(dir);
    await writeFile(path.join(dir, "runcode.db"), "");
    await chmod(dir, 0o777);
    const refused = await serve("--detach", ...FREE);
    expect([refused.exitCode, refused.json()["error"]]).toEqual([9, "config_invalid"]);
    expect(statSync(dir).mode & 0o777).toBe(0o777);
  });

  test("a directory full of other things that everybody can read, and changes nothing about it", async () => {
    await mkdir(dir);
    await writeFile(path.join(dir, "letter.txt"), "dear");
    await chmod(dir, 0o755);
    const refused = await serve("--detach", ...FREE);
    expect([refused.exitCode, refused.json()["error"]]).toEqual([9, "config_invalid"]);
    expect(statSync(dir).mode & 0o777).toBe(0o755);
    expect(readdirSync(dir)).toEqual(["letter.txt"]);
  });
});

describe("serve token", () => {
  const token = (...words: string[]): Promise<Ran> =>
    runProgram(["serve", "token", ...words, "--data-dir", dir, "--json"], { env: home.env });

  test("makes, lists and revokes tokens while the server runs", async () => {
    const facts = await detach();
    const made = (await token("--name", "laptop")).json<{ id: number; name: string; token: string }>();
    expect((await get(facts, "/api/rc/me", made.token)).status).toBe(200);
    const listed = await token("--list");
    expect(listed.stdout).not.toContain(made.token);
    expect((JSON.parse(listed.stdout) as { name: string }[]).map((it) => it.name)).toEqual(["first start", "laptop"]);
    expect((await token("--revoke", String(made.id))).json()).toEqual({ revoked: made.id });
    expect((await get(facts, "/api/rc/me", made.token)).status).toBe(401);
    expect((await token("--revoke", String(made.id))).exitCode).toBe(3);
  });

  test("makes a link that leads to the running server", async () => {
    const facts = await detach();
    const { login_url: url } = (await token("--login-link")).json<{ login_url: string }>();
    expect(url.startsWith(`${facts.web_base}/auth/login?code=rcl_`)).toBe(true);
    const answer = await fetch(`${facts.web_base}/auth/login`, {
      method: "POST",
      body: new URLSearchParams({ secret: new URL(url).searchParams.get("code") ?? "" }),
      redirect: "manual",
    });
    expect([answer.status, answer.headers.get("set-cookie")?.slice(0, 8)]).toEqual([303, "runcode-"]);
  });

  test("says that there is no server's data where there is none, and makes none", async () => {
    const refused = await token();
    expect([refused.exitCode, refused.json()["error"]]).toEqual([3, "not_found"]);
    expect(() => statSync(dir)).toThrow("ENOENT");
  });
});
