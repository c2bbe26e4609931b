// Finding a container engine and telling whether it answers.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findEngine, resolveEndpoint } from "../../src/server/engine/index.ts";
import { describeEngines } from "../harness/engines.ts";

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

  test("a socket in a usual place is found where nothing says otherwise", async () => {
    const dir = path.join(home, "run");
    await mkdir(path.join(dir, "podman"), { recursive: true });
    const server = net.createServer().listen(path.join(dir, "podman/podman.sock"));
    const found = (await find(null, { XDG_RUNTIME_DIR: dir })) as { from: string };
    server.close();
    expect(found.from).toBe("the usual place");
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

  test("the environment's certificates and host do not leak into an engine that was named", async () => {
    process.env["DOCKER_CERT_PATH"] = "/no/such/directory";
    process.env["DOCKER_TLS_VERIFY"] = "1";
    try {
      const engine = await findEngine(`unix://${home}/none.sock`, { env: {}, home });
      await expect(engine.facts()).rejects.toMatchObject({ code: "unavailable" });
    } finally {
      delete process.env["DOCKER_CERT_PATH"];
      delete process.env["DOCKER_TLS_VERIFY"];
    }
  });
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
