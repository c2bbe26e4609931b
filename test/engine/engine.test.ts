// Finding a container engine and telling whether it answers.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { findEngine, howFound, resolveEndpoint, type Engine } from "../../src/server/engine/index.ts";
import { describeEngines, usualSocket } from "../harness/engines.ts";

let home: string;
beforeAll(async () => void (home = await mkdtemp(path.join(tmpdir(), "runcode-engine-test-"))));
afterAll(async () => await rm(home, { recursive: true, force: true }));

async function context(name: string, docker: object, tls: Record<string, string> = {}): Promise<void> {
  const id = createHash("sha256").update(name).digest("hex");
  const [meta, material] = [`.docker/contexts/meta/${id}`, `.docker/contexts/tls/${id}/docker`];
  for (const dir of [meta, material]) await mkdir(path.join(home, dir), { recursive: true });
  await writeFile(path.join(home, meta, "meta.json"), JSON.stringify({ Name: name, Endpoints: { docker } }));
  for (const [file, text] of Object.entries(tls)) await writeFile(path.join(home, material, file), text);
}

interface Listener {
  readonly server: http.Server;
  readonly port: number;
  /** Method and path of each request. */
  readonly asked: string[];
}

/** Something that answers `/version` as an engine does, and remembers what it was asked. */
async function listener(at: net.ListenOptions, asked: string[] = []): Promise<Listener> {
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ Version: "1.2.3", Arch: "amd64", Os: "linux" }));
  });
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" ? (address?.port ?? 0) : 0, asked };
}

describe("where the engine is", () => {
  const find = async (asked: string | null, env: Record<string, string> = {}): Promise<unknown> =>
    await resolveEndpoint(asked, { env, home });

  test("what was asked for comes before DOCKER_HOST, and that before the context", async () => {
    await context("far", { Host: "unix:///run/far.sock" });
    const env = { DOCKER_HOST: "unix:///run/host.sock", DOCKER_CONTEXT: "far" };
    expect(await find("unix:///run/asked.sock", env)).toMatchObject({ path: "/run/asked.sock", from: "--engine" });
    expect(await find(null, env)).toMatchObject({ path: "/run/host.sock", from: "DOCKER_HOST" });
    expect(await find(null, { DOCKER_CONTEXT: "far" })).toMatchObject({
      path: "/run/far.sock",
      from: "the Docker context far",
    });
  });

  test("the context that `docker context use` left in config.json is used, with its certificates", async () => {
    await context("secure", { Host: "tcp://engine.example:2376" }, { "ca.pem": "authority", "key.pem": "private" });
    await writeFile(path.join(home, ".docker/config.json"), JSON.stringify({ currentContext: "secure" }));
    expect(await find(null)).toEqual({
      kind: "tcp",
      host: "engine.example",
      port: 2376,
      tls: { ca: "authority", key: "private" },
      url: "tcp://engine.example:2376",
      from: "the Docker context secure",
    });
    await rm(path.join(home, ".docker/config.json"));
  });

  test("a context that is not there, or verifies nothing, is an error and not silently another engine", async () => {
    await expect(find(null, { DOCKER_CONTEXT: "nowhere" })).rejects.toMatchObject({ code: "config_invalid" });
    await context("careless", { Host: "tcp://engine.example:2376", SkipTLSVerify: true });
    await expect(find(null, { DOCKER_CONTEXT: "careless" })).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("ssh takes a user, a port and a path, and nothing that a command line would mistake", async () => {
    expect(await find("ssh://me@far.example:2222/run/podman/podman.sock")).toMatchObject({
      kind: "ssh",
      destination: "me@far.example",
      port: 2222,
      path: "/run/podman/podman.sock",
    });
    for (const bad of [
      "ssh://-oProxyCommand=x",
      "ssh://-l@host",
      "ssh://host/run/$(id)",
      "ssh://host/a b",
      "ssh://a:b@host",
    ])
      await expect(find(bad), bad).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("plain TCP is for this machine alone", async () => {
    expect(await find("tcp://127.0.0.1:2375")).toMatchObject({ kind: "tcp", tls: null });
    await expect(find("tcp://10.0.0.7:2375")).rejects.toMatchObject({ code: "insecure_base" });
    expect(await find("tcp://10.0.0.7", { DOCKER_TLS_VERIFY: "1" })).toMatchObject({ port: 2376, tls: {} });
  });

  test("certificates are where DOCKER_CERT_PATH says, else where Docker's own command line keeps its own", async () => {
    const [usual, config, named] = ["usual-home/.docker", "config", "named"].map((dir) => path.join(home, dir));
    for (const dir of [usual, config, named] as string[]) {
      await mkdir(dir, { recursive: true });
      await writeFile(path.join(dir, "ca.pem"), path.basename(dir));
    }
    const authority = async (env: Record<string, string | undefined>): Promise<unknown> => {
      const where = { env: { DOCKER_TLS_VERIFY: "1", ...env }, home: path.join(home, "usual-home") };
      const found = await resolveEndpoint("tcp://10.0.0.7", where);
      return found?.kind === "tcp" ? found.tls?.ca : null;
    };
    expect(await authority({})).toBe(".docker");
    expect(await authority({ DOCKER_CONFIG: config })).toBe("config");
    expect(await authority({ DOCKER_CONFIG: config, DOCKER_CERT_PATH: named })).toBe("named");
  });

  test.each([
    "",
    "docker.sock",
    "unix://relative",
    "npipe:////./pipe/docker",
    "tcp://",
    "tcp://host/path",
    "http://u:p@h",
  ])("%j is refused", async (bad) => await expect(find(bad)).rejects.toMatchObject({ code: "config_invalid" }));
});

const taken = usualSocket();
const beside = taken === null ? "" : ` (not here, where ${taken} is one)`;
describe.skipIf(taken)(`the usual sockets, where nobody names an engine${beside}`, () => {
  let own: string;
  const open: http.Server[] = [];
  const find = async (): Promise<Engine> =>
    await findEngine(null, { env: { XDG_RUNTIME_DIR: own }, home: path.join(own, "home") }, 300);
  const answering = async (socket: string): Promise<void> =>
    void open.push((await listener({ path: path.join(own, socket) })).server);
  /** As an engine leaves one that was killed. */
  const stale = async (socket: string): Promise<void> => {
    const other = path.join(own, "bound");
    const server = net.createServer().listen(other);
    await once(server, "listening");
    await rename(other, path.join(own, socket));
    await new Promise((resolve) => server.close(resolve));
  };
  beforeEach(async () => {
    own = await mkdtemp(path.join(home, "run-"));
    for (const dir of ["podman", "home/.docker/run"]) await mkdir(path.join(own, dir), { recursive: true });
  });
  afterEach(() => open.splice(0).forEach((server) => server.close()));

  test("the first in their order that answers is taken", async () => {
    await answering("podman/podman.sock");
    await answering("docker.sock");
    const engine = await find();
    expect(engine.endpoint).toMatchObject({ path: path.join(own, "docker.sock"), from: "the usual sockets" });
    expect(howFound(engine.endpoint)).toBe("the usual sockets");
    await engine.close();
  });

  test("one that nobody listens at and one that says nothing are passed over, and named", async () => {
    await stale("docker.sock");
    const silent = net.createServer(() => {}).listen(path.join(own, "home/.docker/run/docker.sock"));
    await answering("podman/podman.sock");
    const engine = await find();
    expect(engine.endpoint).toMatchObject({ path: path.join(own, "podman/podman.sock") });
    expect(await engine.facts()).toMatchObject({ version: "1.2.3" });
    const told = howFound(engine.endpoint);
    expect(told).toContain(`${own}/docker.sock does not answer (ECONNREFUSED)`);
    expect(told).toContain(`${own}/home/.docker/run/docker.sock does not answer`);
    await engine.close();
    silent.close();
  });

  test("where none answers all are named, and one that comes later is found", async () => {
    await stale("docker.sock");
    await stale("podman/podman.sock");
    const failed = (await find().catch((error: unknown) => error)) as Error;
    expect(failed).toMatchObject({ code: "unavailable", hint: expect.stringContaining("--engine") as string });
    for (const socket of ["docker.sock", "podman/podman.sock"]) expect(failed.message).toContain(`${own}/${socket}`);
    await rm(path.join(own, "podman/podman.sock"));
    await answering("podman/podman.sock");
    expect((await find()).endpoint).toMatchObject({ path: path.join(own, "podman/podman.sock") });
  });

  test("where there are none, that is said", async () => {
    await expect(find()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("no container engine was found") as string,
    });
  });
});

describe("an engine that does not answer", () => {
  test("a socket that is not there is `unavailable`, and the message says which", async () => {
    const engine = await findEngine(`unix://${home}/none.sock`, { env: {}, home });
    await expect(engine.facts()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("none.sock") as string,
    });
    await engine.close();
  });

  test("one that takes the connection and says nothing is given up after a while", async () => {
    const file = path.join(home, "silent.sock");
    const server = net.createServer(() => {}).listen(file);
    const engine = await findEngine(`unix://${file}`, { env: {}, home });
    await expect(engine.facts(100)).rejects.toMatchObject({ code: "unavailable" });
    await engine.close();
    server.close();
  });
});

describe("the environment, once an engine was chosen", () => {
  let bystander: Listener;
  let chosen: Listener;
  let chosenOverTcp: Listener;
  beforeAll(async () => {
    bystander = await listener({ port: 0, host: "127.0.0.1" });
    chosen = await listener({ path: path.join(home, "chosen.sock") });
    chosenOverTcp = await listener({ port: 0, host: "127.0.0.1" }, chosen.asked);
  });
  afterAll(() => [bystander, chosen, chosenOverTcp].forEach(({ server }) => server.close()));
  afterEach(() => vi.unstubAllEnvs());

  test.each([
    ["another engine", () => ({ DOCKER_HOST: `tcp://127.0.0.1:${bystander.port}` })],
    ["an engine over ssh", () => ({ DOCKER_HOST: `ssh://nobody@127.0.0.1:${bystander.port}` })],
    ["no engine at all", () => ({ DOCKER_HOST: "garbage://x" })],
    ["what cannot be read", () => ({ DOCKER_HOST: "tcp://a b" })],
    [
      "certificates that are not there",
      () => ({
        DOCKER_HOST: `tcp://127.0.0.1:${bystander.port}`,
        DOCKER_TLS_VERIFY: "1",
        DOCKER_CERT_PATH: "/no/such/directory",
      }),
    ],
    [
      "a path and a time limit",
      () => ({
        DOCKER_HOST: `tcp://127.0.0.1:${bystander.port}`,
        DOCKER_PATH_PREFIX: "/elsewhere/",
        DOCKER_CLIENT_TIMEOUT: "1",
      }),
    ],
  ])("names %s, and the chosen one is asked all the same", async (_, env) => {
    for (const [name, value] of Object.entries(env())) vi.stubEnv(name, value);
    const before = { ...process.env };
    for (const address of [`unix://${home}/chosen.sock`, `tcp://127.0.0.1:${chosenOverTcp.port}`]) {
      chosen.asked.length = 0;
      const engine = await findEngine(address, { env: {}, home });
      expect(await engine.facts()).toMatchObject({ version: "1.2.3" });
      expect(chosen.asked).toEqual(["GET /version"]);
      await engine.close();
    }
    expect(bystander.asked).toEqual([]);
    expect({ ...process.env }).toEqual(before);
  });

  test("holds an engine over ssh, which is reached by ssh alone", async () => {
    const bin = path.join(home, "bin");
    await mkdir(bin, { recursive: true });
    await writeFile(path.join(bin, "ssh"), '#!/bin/sh\n[ "$1" = -O ] && exit\necho "no way there" >&2\nexit 255\n', {
      mode: 0o755,
    });
    vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
    vi.stubEnv("DOCKER_HOST", `ssh://nobody@127.0.0.1:${bystander.port}`);
    const engine = await findEngine(null, { env: process.env, home });
    await expect(engine.facts()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("no way there") as string,
    });
    await engine.close();
    expect(bystander.asked).toEqual([]);
  });

  test("has an authority alone for certificates, and the engine is asked", async () => {
    const certs = path.join(home, "authority-alone");
    await mkdir(certs, { recursive: true });
    await writeFile(path.join(certs, "ca.pem"), "");
    vi.stubEnv("DOCKER_HOST", `tcp://127.0.0.1:${bystander.port}`);
    vi.stubEnv("DOCKER_TLS_VERIFY", "1");
    vi.stubEnv("DOCKER_CERT_PATH", certs);
    const engine = await findEngine(null, { env: process.env, home });
    await expect(engine.facts()).rejects.toMatchObject({
      code: "unavailable",
      hint: expect.stringContaining("DOCKER_CERT_PATH") as string,
    });
    await engine.close();
  });
});

test("an engine that sends a request elsewhere is not followed there", async () => {
  const elsewhere = await listener({ port: 0, host: "127.0.0.1" });
  const file = path.join(home, "sends-away.sock");
  const away = http.createServer((_, response) =>
    response.writeHead(301, { location: `http://127.0.0.1:${elsewhere.port}/version` }).end(),
  );
  away.listen(file);
  await once(away, "listening");
  const engine = await findEngine(`unix://${file}`, { env: {}, home });
  await expect(engine.facts()).rejects.toBeInstanceOf(Error);
  await engine.close();
  // Asked after anybody whom the engine could have sent.
  await fetch(`http://127.0.0.1:${elsewhere.port}/last`);
  expect(elsewhere.asked).toEqual(["GET /last"]);
  for (const server of [away, elsewhere.server]) server.close();
});

describeEngines(
  (kind) => `a real engine: ${kind}`,
  (kind, address) => {
    test("says what it is", async () => {
      const engine = await findEngine(address, { env: {}, home });
      expect(await engine.facts()).toMatchObject({
        kind,
        os: "linux",
        version: expect.stringMatching(/^\d/) as string,
      });
      await engine.close();
    });
  },
);
