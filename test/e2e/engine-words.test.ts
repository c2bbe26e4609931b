// What an engine says is read by people: by whoever asked, by the owner of a workspace, by the operator. An engine, or a
// registry behind it, may say anything.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import {
  engineProxy,
  runProgram,
  testServer,
  type EngineProxy,
  type TestClient,
  type TestServer,
} from "../harness/index.ts";

const SAID = `no room\u001b[2J\r2026-01-01T00:00:00.000Z forged\u2028here \u202eton\u0007`;
const HOSTILE = `${SAID}${"x".repeat(30_000)}`;
/** All of it that a person may see, on however many lines. */
const CLEAN = /no room\[2J/;

const answer = (status: number, body: object): string => {
  const text = JSON.stringify(body);
  const head = ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`, "Connection: close"];
  return [`HTTP/1.1 ${status} Whatever`, ...head, "", text].join("\r\n");
};

/** One line that shows what it is, short enough to be read. */
const isReadable = (text: unknown): void => {
  expect(text).toMatch(CLEAN);
  // oxlint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/);
  expect(String(text).length).toBeLessThan(700);
};

describeEngines(
  (kind) => `what ${kind} says`,
  (_, address) => {
    let proxy: EngineProxy;
    let server: TestServer;
    let client: TestClient;
    let base: string;
    beforeAll(async () => {
      proxy = await engineProxy(address);
      const words = ["--driver", "docker", "--engine", proxy.address, "--image", BUSYBOX, "--engine-network", "none"];
      server = await testServer([...words, "--runtime-api", "127.0.0.1:0"]);
      base = (server.facts as typeof server.facts & { runtime_api: string }).runtime_api;
      client = await server.client();
    });
    afterEach(() => (proxy.instead = () => null));
    afterAll(async () => {
      for (const { title } of (await client.ok(["list", "--json"])).json<{ title: string }[]>())
        await client.run(["delete", title, "--yes", "--force"]);
      await server.close();
      await proxy.close();
    });

    const says = (request: RegExp, status: number, body: object): void => {
      proxy.instead = (line) => (request.test(line) ? answer(status, body) : null);
    };
    const problemOf = async (title: string): Promise<unknown> =>
      (await client.ok(["list", "--json"]))
        .json<{ title: string; problem: unknown }[]>()
        .find((workspace) => workspace.title === title)?.problem;
    const log = async (): Promise<string[]> =>
      (await readFile(path.join(server.facts.data_dir, "server.log"), "utf8")).split("\n");
    const start = async (image: string): Promise<unknown> => {
      const body = JSON.stringify({ image, command: ["sleep", "1000"] });
      const headers = { "content-type": "application/json" };
      const got = await fetch(`${base}/start`, { method: "POST", headers, body });
      expect(got.status).toBe(400);
      return ((await got.json()) as { detail: unknown }).detail;
    };

    test.each([
      ["of a container that it does not make", /^POST \/containers\/create/, 500, { message: HOSTILE }],
      ["of a container that it does not start", /^POST \/containers\/[^/]+\/start/, 500, { message: HOSTILE }],
    ])(
      "%s is one readable line for who starts a workspace, for its owner and in the log",
      async (what, request, status, body) => {
        const title = `box-${what.split(" ").at(-1)}`;
        await client.ok(["create", title]);
        says(request, status, body);
        const ran = await client.run(["start", title, "--json"]);
        expect(ran.exitCode).toBe(5);
        isReadable(ran.json()["message"]);
        isReadable(await problemOf(title));
        expect((await log()).filter((line) => CLEAN.test(line)).length).toBeGreaterThan(0);
        for (const line of await log()) expect(line).toMatch(/^$|^\d{4}-\d\d-\d\dT[^ ]* (?!forged)/);
      },
    );

    test.each([
      ["registry's", 200, { errorDetail: { message: HOSTILE }, error: HOSTILE }],
      ["engine's", 500, { message: HOSTILE }],
    ])("of an image that cannot be had, in the %s words, as well", async (whose, status, body) => {
      const title = `pulled-${whose.slice(0, 3)}`;
      await client.ok(["create", title, "--image", "localhost/nowhere:1"]);
      says(/^POST \/images\/create/, status, body);
      isReadable((await client.run(["start", title, "--json"])).json()["message"]);
      isReadable(await problemOf(title));
      isReadable(await start("localhost/nowhere:1"));
    });

    test("of a runtime that it does not make, as well", async () => {
      says(/^POST \/containers\/create/, 409, { message: HOSTILE });
      isReadable(await start(BUSYBOX));
    });

    test("of itself, as well", async () => {
      says(/^GET \/version/, 200, { Version: HOSTILE, Arch: HOSTILE, Os: HOSTILE, Components: null });
      const words = ["serve", "--status", "--json", "--data-dir", server.facts.data_dir];
      const { engines } = (await runProgram(words, { env: client.home.env })).json<{
        engines: { url: string; detail: unknown }[];
      }>();
      const { detail } = engines.find(({ url }) => url === proxy.address) ?? {};
      isReadable(detail);
    });

    test("that is nothing at all, or nonsense, is a failure with a readable line", async () => {
      for (const body of [{}, { message: null }, { message: [HOSTILE] }]) {
        says(/^POST \/containers\/create/, 500, body);
        const detail = await start(BUSYBOX);
        expect(detail).toMatch(/^Unable to start runtime: \S/);
        expect(String(detail).length).toBeLessThan(700);
      }
      says(/^POST \/images\/create/, 200, { error: { toString: 1 }, progressDetail: null, status: 7 });
      expect(await start("localhost/nowhere:1")).toMatch(/^Unable to start runtime: \S/);
      await client.ok(["create", "nonsense", "--image", "localhost/nowhere:1"]);
      const ran = await client.run(["start", "nonsense", "--json"]);
      expect(ran.json()["message"]).toMatch(/cannot be had: \S/);
    });
  },
  ["podman"],
);
