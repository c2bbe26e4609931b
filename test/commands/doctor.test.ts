import { once } from "node:events";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkHealth, type HealthDeps } from "../../src/bundle/health.ts";
import { resolvePaths } from "../../src/platform/paths.ts";
import { greetsAsSsh, speaksTls } from "../../src/platform/reach.ts";
import { parseVersion } from "../../src/ssh/client-version.ts";
import { BINARY, describeWith, runProgram, testHome, type TestHome } from "../harness/index.ts";
import { usualSocket } from "../harness/engines.ts";
import { bench, type Bench } from "./workspace.ts";

interface Report {
  ok: boolean;
  checks: { name: string; status: string; detail: string; fix?: string }[];
}
const row = (report: Report, name: string) => report.checks.find((each) => each.name === name);
const NAMES = [
  "openssh",
  "base",
  "dns",
  "tcp",
  "tls",
  "clock",
  "token",
  "gateway",
  "config-ssh",
  "cache",
  "control-path",
  "path",
  "engine",
];

describeWith("ssh")("doctor, of a machine that is well", () => {
  let b: Bench;
  beforeAll(async () => {
    b = await bench();
    await b.workspace("demo");
    await b.ok(["connect", "demo"]);
    await b.ok(["config-ssh"]);
    await mkdir(path.join(b.home.dir, "bin"));
    await symlink(BINARY, path.join(b.home.dir, "bin/runcode"));
  });
  afterAll(() => b.close());
  const env = () => ({ PATH: `${path.join(b.home.dir, "bin")}:${b.env["PATH"]}` });

  test("finds nothing, and exits 0", async () => {
    const ran = await b.run(["doctor", "--json"], { env: env() });
    const report = ran.json<Report>();
    expect(report.checks.map(({ name }) => name)).toEqual(NAMES);
    // A machine without a container engine is well too.
    expect(report.checks.filter(({ name, status }) => status !== "ok" && name !== "engine")).toEqual([]);
    expect(row(report, "engine")?.status).toMatch(/^(ok|skip)$/);
    expect([ran.exitCode, report.ok]).toEqual([0, true]);
    expect(row(report, "gateway")?.detail).toContain("SSH-2.0-");
  });

  test("names a refused token and its remedy, and no part of the token", async () => {
    const token = "rc_wrong_secret_token";
    const ran = await b.run(["doctor", "--json"], { env: { ...env(), RUNCODE_TOKEN: token } });
    expect(ran.exitCode).toBe(1);
    expect(row(ran.json(), "token")).toMatchObject({ status: "fail", fix: "mend or unset RUNCODE_TOKEN" });
    expect(ran.stdout + ran.stderr).not.toContain(token);
  });

  test("names the line that overrides an alias", async () => {
    const config = path.join(b.home.dir, ".ssh/config");
    const { readFile } = await import("node:fs/promises");
    const text = await readFile(config, "utf8");
    await writeFile(config, `Host *\n  User other\n${text}`);
    const ran = await b.run(["doctor", "--json"], { env: env() });
    expect(row(ran.json(), "config-ssh")).toMatchObject({
      status: "fail",
      detail: `${config}:2 overrides user of runcode.demo`,
    });
    // The remedy mends it.
    await b.ok(["config-ssh"]);
    expect(row((await b.run(["doctor", "--json"], { env: env() })).json(), "config-ssh")?.status).toBe("ok");
  });

  test("names a folder that others can read, and one program that hides another", async () => {
    const cache = path.join(b.home.dir, ".cache/runcode");
    await chmod(cache, 0o755);
    await mkdir(path.join(b.home.dir, "first"));
    await writeFile(path.join(b.home.dir, "first/runcode"), "#!/bin/sh\n", { mode: 0o755 });
    const ran = await b.run(["doctor", "--json"], { env: { PATH: `${path.join(b.home.dir, "first")}:${env().PATH}` } });
    await chmod(cache, 0o700);
    expect([ran.exitCode, row(ran.json(), "cache"), row(ran.json(), "path")]).toMatchObject([
      0,
      { status: "warn", fix: `chmod 700 ${cache}` },
      { status: "warn", detail: expect.stringContaining("first/runcode") as string },
    ]);
  });
});

describe("doctor, of a machine that is not", () => {
  let home: TestHome;
  beforeAll(async () => {
    home = await testHome();
  });
  afterAll(() => home.remove());
  const doctor = async (env: Record<string, string> = {}) => {
    const ran = await runProgram(["doctor", "--json"], { env: { ...home.env, ...env } });
    return { ...ran, report: ran.json<Report>() };
  };

  test("without a network it still reports on everything else", async () => {
    const { exitCode, report } = await doctor({ RUNCODE_API_BASE: "https://nothing.invalid", RUNCODE_TOKEN: "x" });
    expect(exitCode).toBe(1);
    expect(report.checks.map(({ name }) => name)).toEqual(NAMES);
    expect(["dns", "tcp", "tls", "clock", "token"].map((name) => row(report, name)?.status)).toEqual([
      "fail",
      "skip",
      "skip",
      "skip",
      "skip",
    ]);
    expect(
      report.checks.every(({ status, fix }) => (status === "fail" || status === "warn") === (fix !== undefined)),
    ).toBe(true);
  });

  test("tells a closed port from a missing name", async () => {
    const { report } = await doctor({ RUNCODE_API_BASE: "http://127.0.0.1:9" });
    expect([row(report, "dns")?.status, row(report, "tcp")]).toMatchObject([
      "ok",
      { status: "fail", detail: expect.stringContaining("ECONNREFUSED") as string },
    ]);
    expect(row(report, "token")).toMatchObject({ status: "fail", fix: "runcode login" });
  });

  test("names a base that is not secure", async () => {
    const { exitCode, report } = await doctor({ RUNCODE_API_BASE: "http://example.org" });
    expect([exitCode, row(report, "base"), row(report, "tcp")?.status]).toMatchObject([1, { status: "fail" }, "skip"]);
  });

  test("names a missing ssh, with the line that installs it", async () => {
    const { report } = await doctor({ PATH: "/nonexistent", RUNCODE_API_BASE: "http://127.0.0.1:9" });
    expect(row(report, "openssh")).toMatchObject({ status: "fail", fix: expect.stringContaining("openssh") as string });
  });

  test("names damaged markers in ~/.ssh/config", async () => {
    const config = path.join(home.dir, ".ssh/config");
    await writeFile(config, "# >>> runcode config-ssh >>>\n");
    const { report } = await doctor({ RUNCODE_API_BASE: "http://127.0.0.1:9" });
    expect(row(report, "config-ssh")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining(`${config}:1:`) as string,
    });
    await writeFile(config, "");
  });

  test("a person sees a table and what to type", async () => {
    const ran = await runProgram(["doctor"], { env: { ...home.env, RUNCODE_API_BASE: "http://127.0.0.1:9" } });
    expect(ran.stdout).toMatch(/fail +tcp /);
    expect(ran.stdout).toContain("token: runcode login");
  });
});

describe("doctor, of the container engine", () => {
  let home: TestHome;
  let asked: string[];
  let port: number;
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end(JSON.stringify({ Version: "1.2.3", Arch: "amd64", Os: "linux" }));
  });
  beforeAll(async () => {
    home = await testHome();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as net.AddressInfo).port;
  });
  beforeEach(() => void (asked = []));
  afterAll(async () => {
    server.close();
    await home.remove();
  });
  const engine = async (env: Record<string, string>) => {
    const ran = await runProgram(["doctor"], { env: { ...home.env, RUNCODE_API_BASE: "http://127.0.0.1:9", ...env } });
    const at = (pattern: RegExp): string => ran.stdout.split("\n").find((line) => pattern.test(line)) ?? "";
    return { stderr: ran.stderr, row: at(/^\S+ +engine /), fix: at(/^ {2}engine:/) };
  };

  test("one over TCP is asked, and nothing is said on stderr", async () => {
    const { stderr, row } = await engine({ DOCKER_HOST: `tcp://127.0.0.1:${port}` });
    expect([row, stderr, asked]).toEqual([expect.stringContaining("docker 1.2.3"), "", ["GET /version"]]);
  });

  test("one over ssh is asked by ssh alone, whatever listens at its port", async () => {
    const bin = path.join(home.dir, "bin");
    await mkdir(bin);
    const ssh = '#!/bin/sh\n[ "$1" = -O ] && exit\necho "no way there" >&2\nexit 255\n';
    await writeFile(path.join(bin, "ssh"), ssh, { mode: 0o755 });
    const { row } = await engine({
      DOCKER_HOST: `ssh://nobody@127.0.0.1:${port}`,
      PATH: `${bin}:${home.env["PATH"]}`,
    });
    expect([row, asked]).toEqual([expect.stringContaining("no way there"), []]);
  });

  const other = usualSocket();
  const beside = other === null ? "" : ` (not here, where ${other} is an engine as well)`;
  test.skipIf(other)(`one that is not trusted has a remedy that speaks of certificates${beside}`, async () => {
    const { row, fix } = await engine({ DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS_VERIFY: "1" });
    expect([row, fix]).toEqual([expect.stringMatching(/^warn.*no trust/), expect.stringContaining("ca.pem")]);
  });
});

describe("the clock", () => {
  test.each([
    [0, "ok"],
    [45_000, "warn"],
    [-3_600_000, "fail"],
  ])("off by %i ms is %s", async (skew, status) => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response(null, { headers: { date: new Date().toUTCString() } }),
    });
    const apiBase = `http://127.0.0.1:${server.port}`;
    const none = () => Promise.reject(new Error("not here"));
    const deps: HealthDeps = {
      env: { PATH: process.env["PATH"] },
      platform: "linux",
      paths: resolvePaths({}, "linux", "/nonexistent"),
      self: ["/nonexistent/runcode"],
      clock: { now: () => Date.now() + skew, sleep: none },
      signal: new AbortController().signal,
      settings: () => Promise.resolve({ profile: "default", apiBase, webBase: apiBase }),
      tokens: none,
      api: none,
      sessions: none,
      engines: () => Promise.resolve([]),
    };
    const checks = await checkHealth(deps);
    await server.stop(true);
    expect(checks.find(({ name }) => name === "clock")).toMatchObject({
      status,
      ...(status === "ok" ? {} : { fix: "sudo timedatectl set-ntp true" }),
    });
  });
});

describe("what answers at a port", () => {
  const serve = async (greeting: string | null) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      if (greeting !== null) socket.end(greeting);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { server, port: (server.address() as net.AddressInfo).port };
  };

  test.each([
    ["SSH-2.0-x y\r\n", true],
    ["a line before\r\nSSH-2.0-x\n", true],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", false],
    ["", false],
    ["x".repeat(20_000), false],
    [null, false],
  ])("%j is a gateway: %s", async (greeting, ok) => {
    const { server, port } = await serve(greeting);
    expect((await greetsAsSsh("127.0.0.1", port, greeting === null ? 100 : 5000)).ok).toBe(ok);
    server.close();
  });

  test("a plain server is no TLS one", async () => {
    const { server, port } = await serve("hello\n");
    expect((await speaksTls("127.0.0.1", port, 5000)).ok).toBe(false);
    server.close();
  });
});

test.each([
  ["OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026\n", true],
  ["OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2\r\n", true],
  ["OpenSSH_10.0p2\n", true],
  ["OpenSSH_7.6p1\n", true],
  ["OpenSSH_7.4p1\n", false],
  ["dropbear\n", false],
  ["", false],
])("ssh -V of %j is new enough: %s", (said, newEnough) => {
  expect(parseVersion(said).newEnough).toBe(newEnough);
});
