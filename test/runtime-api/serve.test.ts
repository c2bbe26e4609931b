// `serve --runtime-api` and the `runtime` commands as people run them: the built program on both ends, a real engine beneath.
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RUNTIME_LABEL } from "../../src/protocol/runtime-api.ts";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines, HARDENED, PODMAN } from "../harness/engines.ts";
import { engineProxy, runProgram, testHome, type Ran, type ServerFacts, type TestHome } from "../harness/index.ts";
import { NO_ENGINE } from "./api.ts";

type Facts = ServerFacts & { readonly runtime_api: string; readonly notes: readonly string[] };
const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];
const KEY = "0123456789abcdef0123456789abcdef";

interface Served {
  readonly facts: Facts;
  readonly home: TestHome;
  /** A `runtime` command against this server. */
  run(words: readonly string[], env?: Record<string, string>): Promise<Ran>;
  log(): Promise<string>;
  close(): Promise<void>;
}

async function serveWith(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<{ ran: Ran; home: TestHome; dir: string }> {
  const home = await testHome();
  const dir = path.join(home.dir, "srv");
  const free = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--driver", "process"];
  const ran = await runProgram(["serve", "--detach", "--json", "--data-dir", dir, ...free, ...words], {
    env: { ...home.env, ...env },
  });
  return { ran, home, dir };
}

async function served(words: readonly string[], env: Record<string, string>): Promise<Served> {
  const { ran, home, dir } = await serveWith(words, env);
  if (ran.exitCode !== 0) throw new Error(`serve failed:\n${ran.stdout}${ran.stderr}`);
  const facts = ran.json<Facts>();
  return {
    facts,
    home,
    run: (command, more = {}) =>
      runProgram(["runtime", ...command], {
        env: { ...home.env, RUNCODE_RUNTIME_BASE: facts.runtime_api, ...more },
      }),
    log: () => Bun.file(path.join(dir, "server.log")).text(),
    close: async () => {
      await runProgram(["serve", "--stop", "--data-dir", dir, "--json"], { env: home.env });
      await rm(home.dir, { recursive: true, force: true });
    },
  };
}

const refused = async (
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Record<string, unknown>> => {
  const { ran, home, dir } = await serveWith(words, env);
  await runProgram(["serve", "--stop", "--data-dir", dir, "--json"], { env: home.env });
  await rm(home.dir, { recursive: true, force: true });
  expect(ran.exitCode).not.toBe(0);
  return ran.json();
};

describe("serve --runtime-api", () => {
  test("is not there unless it is asked for", async () => {
    const it = await served([], { DOCKER_HOST: NO_ENGINE });
    try {
      expect(it.facts).not.toHaveProperty("runtime_api");
    } finally {
      await it.close();
    }
  });

  test("listens where the environment of the original says, and answers 503 while there is no engine", async () => {
    const env = { DOCKER_HOST: NO_ENGINE, RUNTIME_SERVER_HOST: "127.0.0.1", RUNTIME_SERVER_PORT: "0" };
    const it = await served(["--runtime-api"], env);
    try {
      expect(it.facts.runtime_api).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
      expect(it.facts.notes.join("\n")).toContain("until there is an engine");
      const ran = await it.run(["list", "--json"]);
      expect([ran.exitCode, ran.json()["error"]]).toEqual([6, "unavailable"]);
      const status = await runProgram(["serve", "--status", "--json", "--data-dir", it.facts.data_dir], {
        env: it.home.env,
      });
      expect(status.json()).toMatchObject({ runtime_api: it.facts.runtime_api });
    } finally {
      await it.close();
    }
  });

  test("beyond loopback it wants a key, and then wants it of every caller", async () => {
    const env = { DOCKER_HOST: NO_ENGINE };
    expect(await refused(["--runtime-api", "0.0.0.0:0"], env)).toMatchObject({
      error: "insecure_base",
      hint: expect.stringContaining("RUNCODE_RUNTIME_KEY"),
    });
    const it = await served(["--runtime-api", "0.0.0.0:0"], { ...env, RUNCODE_RUNTIME_KEY: KEY });
    try {
      const base = it.facts.runtime_api.replace("0.0.0.0", "127.0.0.1");
      const list = (key?: string): Promise<Ran> =>
        it.run(["list", "--json", "--runtime-base", base], key === undefined ? {} : { RUNCODE_RUNTIME_KEY: key });
      expect((await list()).exitCode).toBe(4);
      expect((await list("f".repeat(32))).exitCode).toBe(4);
      expect((await list(KEY)).json()["error"]).toBe("unavailable");
      expect(await it.log()).not.toContain(KEY);
      expect(it.facts.notes.join("\n")).toContain("in the clear");
    } finally {
      await it.close();
    }
  });

  test("takes the key from a file that nobody else can read", async () => {
    const home = await testHome();
    const file = path.join(home.dir, "key");
    try {
      await writeFile(file, `${KEY}\n`, { mode: 0o600 });
      const it = await served(["--runtime-api", "127.0.0.1:0", "--runtime-key-file", file], { DOCKER_HOST: NO_ENGINE });
      try {
        expect((await it.run(["list", "--json"])).exitCode).toBe(4);
        expect((await it.run(["list", "--json"], { RUNCODE_RUNTIME_KEY: KEY })).exitCode).toBe(6);
      } finally {
        await it.close();
      }
      await chmod(file, 0o644);
      const open = ["--runtime-api", "127.0.0.1:0", "--runtime-key-file", file];
      expect(await refused(open)).toMatchObject({ error: "config_invalid", message: expect.stringContaining(file) });
      await chmod(file, 0o600);
      await writeFile(file, "short\n");
      expect(await refused(open)).toMatchObject({ error: "config_invalid" });
    } finally {
      await home.remove();
    }
  });

  test.each([
    [["--runtime-api-hosted"], "usage"],
    [["--runtime-volumes", "/tmp"], "usage"],
    [["--runtime-api", "nowhere"], "usage"],
    [["--runtime-api", "127.0.0.1:0", "--runtime-volumes", "/no/such/dir"], "usage"],
  ])("%j is refused with %s, and no server is left", async (words, code) => {
    expect(await refused(words)).toMatchObject({ error: code });
  });
});

describe("runtime commands without a server", () => {
  const run = (words: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
    runProgram(["runtime", ...words, "--json"], { env: { RUNCODE_RUNTIME_BASE: "http://127.0.0.1:9", ...env } });

  test("say that nobody answers, and how to change that", async () => {
    const ran = await run(["list"]);
    expect([ran.exitCode, ran.json()["error"]]).toEqual([6, "network"]);
    expect(ran.json()["hint"]).toContain("serve --runtime-api");
  });

  test("never send the key in the clear to another machine, nor to what is no address", async () => {
    const far = await run(["list", "--runtime-base", "http://192.0.2.1:8090"], { RUNCODE_RUNTIME_KEY: KEY });
    expect([far.exitCode, far.json()["error"]]).toEqual([8, "insecure_base"]);
    expect((await run(["list", "--runtime-base", "ftp://x"])).exitCode).toBe(2);
  });

  test.each([
    ["start"],
    ["start", "i", "--publish", "http"],
    ["start", "i", "--env", "A"],
    ["start", "i", "--volume", "/a"],
    ["start", "i", "--restart", "on-failure:x"],
    ["stop"],
    ["stop", "x", "--grace", "-1"],
    ["nothing"],
  ])("%j is a usage error", async (...words) => {
    expect((await run(words.filter(Boolean))).exitCode).toBe(2);
  });
});

describeEngines(
  (kind) => `the built program over ${kind}`,
  (kind, address) => {
    let it: Served;
    let shared: string;
    let engine: Engine;
    beforeAll(async () => {
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      const home = await testHome();
      shared = path.join(home.dir, "shared");
      await mkdir(shared);
      it = await served(["--runtime-api", "127.0.0.1:0", "--runtime-volumes", shared], { DOCKER_HOST: address });
    });
    afterAll(async () => {
      // Runtimes outlive the server; nothing of the contract removes them.
      const { api } = engine;
      for (const { Id, Names } of await api.listContainers({ all: true, filters: { label: [RUNTIME_LABEL] } })) {
        if (Names[0]?.endsWith(unique("").slice(1))) await api.getContainer(Id).remove({ force: true, v: true });
      }
      await engine.close();
      await it.close();
      await rm(path.dirname(shared), { recursive: true, force: true });
    });
    const unique = (name: string): string => `${name}-${path.basename(it.home.dir)}`.toLowerCase();
    const ask = async (
      method: string,
      where: string,
      body?: unknown,
    ): Promise<{ status: number; json: Record<string, unknown> }> => {
      const answer = await fetch(`${it.facts.runtime_api}${where}`, {
        method,
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
    };
    const names = async (): Promise<string[]> =>
      ((await ask("GET", "/list")).json["runtimes"] as { name: string }[]).map(({ name }) => name);

    test("a runtime is started, listed, paused, resumed and stopped by commands", async () => {
      const name = unique("calc");
      const started = await it.run([
        ...["start", BUSYBOX, "--json", "--name", name, "-e", "A=b", "--label", "mine=yes", "--auto-remove"],
        ...["-v", `${shared}:/shared:ro`, "--", ...POLITE],
      ]);
      expect(started.stderr).toBe("");
      expect(started.json()).toMatchObject({ runtime_id: name, name, image: BUSYBOX, status: "running" });
      const listed = (await it.run(["list", "--json"])).json<{ runtime_id: string }[]>();
      expect(listed.map(({ runtime_id }) => runtime_id)).toContain(name);
      expect((await it.run(["pause", name])).stdout).toBe(`${name} is paused.\n`);
      const twice = await it.run(["pause", name, "--json"]);
      expect([twice.exitCode, twice.json()["error"]]).toEqual([5, "conflict"]);
      const resumed = (await it.run(["resume", name, "--json"])).json();
      expect(resumed).toMatchObject({ runtime_id: name, status: "running" });
      expect((await it.run(["stop", name, "--grace", "3", "--json"])).json()).toMatchObject({ status: "exited" });
      await expect.poll(names, { timeout: 30_000 }).not.toContain(name);
      const gone = await it.run(["stop", name, "--json"]);
      expect([gone.exitCode, gone.json()]).toEqual([3, { error: "not_found", message: `Runtime '${name}' not found` }]);
    });

    test("a variable comes from here or from a file, so that no secret is in the command line", async () => {
      const name = unique("secret");
      const file = path.join(it.home.dir, "variables");
      await writeFile(file, "# as Docker reads them\nB=from a file\nC=lost\n", { mode: 0o600 });
      const words = ["start", BUSYBOX, "--name", name, "--env-file", file, "-e", "A", "-e", "C=d", "--json"];
      const started = await it.run([...words, "--", ...POLITE], { A: "from here" });
      expect(started.exitCode).toBe(0);
      const engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      try {
        const { Config } = await engine.api.getContainer(name).inspect();
        expect(Config.Env).toEqual(expect.arrayContaining(["A=from here", "B=from a file", "C=d"]));
      } finally {
        await engine.close();
      }
      const unset = await it.run(["start", BUSYBOX, "-e", "NOT_SET_HERE", "--json"]);
      expect([unset.exitCode, unset.json()["message"]]).toEqual([2, expect.stringContaining("NOT_SET_HERE")]);
      await it.run(["stop", name, "--grace", "0"]);
    });

    test("-p publishes a port, and says where, on an engine that has a network to publish on", async () => {
      const name = unique("open");
      const { stdout } = await it.run(["start", BUSYBOX, "--name", name, "-p", "8000", "--", ...POLITE]);
      const where = String.raw`127\.0\.0\.1:\d+ is its 8000/tcp\n`;
      expect(stdout).toMatch(new RegExp(`^${name} is running\\.\n${kind === "docker" ? "" : where}$`));
    });

    test("what is not valid is told field by field", async () => {
      const ran = await it.run(["start", BUSYBOX, "--json", "--publish", "0"]);
      expect([ran.exitCode, ran.json()["error"]]).toEqual([2, "bad_request"]);
      expect(ran.json()["message"]).toContain("ports.0.container_port: Input should be greater than or equal to 1");
    });

    test("callers who hang up in the middle of /start leave no container", async () => {
      const { hostname, port } = new URL(it.facts.runtime_api);
      const body = (name: string): string => JSON.stringify({ image: BUSYBOX, name, command: POLITE });
      const hangUp = (name: string, afterMs: number): Promise<void> =>
        new Promise((resolve, reject) => {
          const text = body(name);
          const head = `POST /start HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
          const socket = net.connect(Number(port), hostname, () => {
            // The request is with the server once it is written and flushed; how far the server has come is what differs.
            socket.write(head + text, () => setTimeout(() => (socket.destroy(), resolve()), afterMs));
          });
          socket.once("error", reject);
        });
      const gone = [0, 5, 20, 50, 80].map((ms) => ({ name: unique(`gone-${ms}`), ms }));
      await Promise.all(gone.map(({ name, ms }) => hangUp(name, ms)));
      // Each of them is over when the log says so; there is nobody else to tell.
      const over = async (): Promise<number> => ((await it.log()).match(/POST \/start 499/g) ?? []).length;
      await expect.poll(over, { timeout: 60_000 }).toBe(gone.length);
      const left = await names();
      expect(gone.filter(({ name }) => left.includes(name))).toEqual([]);
    });

    test.each([
      ["asked for", "asked", /^POST \/containers\/create\?name=begun/],
      ["made", "answered", /^POST \/containers\/create\?name=begun/],
      ["running", "answered", /^POST \/containers\/[^/]+\/start/],
    ] as const)(
      "a server that ends takes back a container that is %s and that nobody was told of, and leaves what runs",
      async (_, when, request) => {
        const proxy = await engineProxy(address);
        const other = await served(["--runtime-api", "127.0.0.1:0"], { DOCKER_HOST: proxy.address });
        const [stays, begun] = [unique("stays"), unique("begun")];
        const start = (name: string): Promise<Ran> =>
          it.run([
            "start",
            BUSYBOX,
            "--json",
            "--runtime-base",
            other.facts.runtime_api,
            "--name",
            name,
            "--",
            ...POLITE,
          ]);
        let closed: Promise<void> | undefined;
        try {
          expect((await start(stays)).exitCode).toBe(0);
          // The engine is heard of again once the server has been told to end.
          proxy[when] = async (line) => {
            if (closed !== undefined || !request.test(line)) return;
            closed = other.close();
            await expect.poll(() => other.log()).toContain("draining");
          };
          const told = await start(begun);
          await closed;
          expect([told.exitCode, told.json()["error"]]).toEqual([6, "unavailable"]);
          // They are another server's; the engine knows.
          await expect(engine.api.getContainer(begun).inspect()).rejects.toMatchObject({ statusCode: 404 });
          expect((await engine.api.getContainer(stays).inspect()).State.Running).toBe(true);
          await engine.api.getContainer(stays).remove({ force: true });
        } finally {
          await (closed ?? other.close());
          await proxy.close();
        }
      },
    );
  },
);

describeEngines(
  (kind) => `serve --runtime-api-hosted over ${kind}`,
  (_, address) => {
    test("serves the hosted contract: a session is started, found at a public address, and stopped", async () => {
      const words = ["--runtime-api", "0.0.0.0:0", "--runtime-api-hosted", "--public-url", "https://rc.example.org"];
      const it = await served(words, { DOCKER_HOST: address, RUNCODE_RUNTIME_KEY: KEY });
      const ask = async (method: string, where: string, body?: object): Promise<{ status: number; json: never }> => {
        const answer = await fetch(`${it.facts.runtime_api.replace("0.0.0.0", "127.0.0.1")}${where}`, {
          method,
          headers: { "content-type": "application/json", "x-api-key": KEY },
          ...(body ? { body: JSON.stringify(body) } : {}),
        });
        return { status: answer.status, json: (await answer.json()) as never };
      };
      const session_id = `session-${path.basename(it.home.dir)}`;
      try {
        expect((await ask("GET", `/sessions/${session_id}`)).status).toBe(404);
        const { paths }: { paths: object } = (await ask("GET", "/openapi.json")).json;
        expect(Object.keys(paths)).toEqual(expect.arrayContaining(["/start", "/sessions/{session_id}"]));
        const started = await ask("POST", "/start", { image: BUSYBOX, command: POLITE, session_id });
        expect(started).toEqual({
          status: 200,
          json: expect.objectContaining({
            session_id,
            status: "running",
            url: expect.stringMatching(/^http:\/\/rc\.example\.org:\d+$/) as string,
          }) as object,
        });
        expect(await ask("GET", `/sessions/${session_id}`)).toEqual(started);
        const { runtime_id }: { runtime_id: string } = started.json;
        expect((await ask("POST", "/stop", { runtime_id })).status).toBe(200);
        expect((await ask("GET", `/sessions/${session_id}`)).status).toBe(404);
      } finally {
        await it.close();
      }
    });
  },
  [PODMAN, ...HARDENED],
);
