// What an operator makes of flavors: a file, its mistakes, and what a workspace of one may use.
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DEBIAN, describeEngines } from "../harness/engines.ts";
import {
  runProgram,
  testHome,
  testServer,
  type Ran,
  type TestClient,
  type TestHome,
  type TestServer,
} from "../harness/index.ts";

const MiB = 1024 * 1024;

let home: TestHome;
const file = (): string => path.join(home.dir, "flavors.json");
const status = async (dir: string): Promise<Ran> =>
  await runProgram(["serve", "--status", "--data-dir", dir], { env: home.env });
beforeEach(async () => void (home = await testHome()));
afterEach(async () => await rm(home.dir, { recursive: true, force: true }));

describe("a file of flavors that is not as it should be", () => {
  const serve = async (): Promise<Ran> =>
    await runProgram(["serve", "--detach", "--json", "--data-dir", `${home.dir}/srv`, "--flavors", file()], {
      env: home.env,
    });

  test.each([
    ["text that is no JSON", "{", "it is no JSON"],
    ["a list", "[]", "it is no object of flavors"],
    ["no default", { small: {} }, "the flavor default is missing"],
    [
      "a field that is misspelled",
      { default: {}, small: { memory: 1 } },
      "flavor small, memory: there is no such field",
    ],
    ["a limit as text", { default: { memoryBytes: "1g" } }, "flavor default, memoryBytes: it has to be a whole number"],
    ["too little memory", { default: { memoryBytes: 1024 } }, "flavor default, memoryBytes: it has to be"],
    ["half a process", { default: { processes: 0.5 } }, "flavor default, processes: it has to be a whole number"],
    ["no CPU", { default: {}, none: { cpus: 0 } }, "flavor none, cpus: it has to be a number of CPUs"],
    ["fewer GPUs than all", { default: { gpus: -2 } }, "flavor default, gpus: it has to be"],
    ["no limits", { default: null }, "flavor default: it has to be an object"],
    ["a name with a space", { default: {}, "a b": {} }, '"a b" is no name for a flavor'],
    ["a name that JavaScript means something by", '{"default": {}, "__proto__": {}}', '"__proto__" is no name'],
  ])("%s is refused by file and field, and nothing is started", async (_, content, said) => {
    await writeFile(file(), typeof content === "string" ? content : JSON.stringify(content));
    const ran = await serve();
    expect([ran.exitCode, ran.json()]).toMatchObject([9, { error: "config_invalid" }]);
    expect(ran.json()["message"]).toContain(`${file()}: ${said}`);
    expect((await status(`${home.dir}/srv`)).exitCode).toBe(3);
  });

  test("one that is not there is said not to be", async () => {
    const ran = await serve();
    expect([ran.exitCode, ran.json()]).toMatchObject([
      9,
      { error: "io", message: expect.stringContaining(`cannot read ${file()}`) as string },
    ]);
  });
});

/** Runs the tests on a server of these words, with the flavors `default`, `tiny` and `half`. */
function flavors(words: readonly string[]): void {
  let server: TestServer;
  let client: TestClient;
  beforeAll(async () => {
    const kept = await testHome();
    const content = { default: {}, tiny: { memoryBytes: 96 * MiB, processes: 40 }, half: { cpus: 0.5 } };
    const of = path.join(kept.dir, "flavors.json");
    await writeFile(of, JSON.stringify(content));
    server = await testServer(["--flavors", of, ...words]);
    await kept.remove();
    client = await server.client();
  });
  afterAll(async () => {
    await client.run(["delete", "box", "--yes", "--force"]);
    await server.close();
  });

  test("the file's flavors stand in place of the built-in ones, and the status and a refusal name them", async () => {
    expect((await status(server.facts.data_dir)).stdout).toContain("flavors default, tiny, half\n");
    const ran = await client.run(["create", "box", "--flavor", "small", "--json"]);
    expect([ran.exitCode, ran.json()]).toMatchObject([
      2,
      { error: "bad_request", message: "this server has no flavor small; choose one of: default, tiny, half" },
    ]);
  });

  test("a program that needs more memory than its flavor has exits with 137 and a line that says why, and the next one runs", async () => {
    await client.ok(["create", "box", "--flavor", "tiny", "--wait"]);
    await client.ok(["connect", "box"]);
    const ran = await client.run(["exec", "-w", "box", "--", "/usr/bin/python3", "-c", "x = b'x' * 400_000_000"]);
    expect([ran.exitCode, ran.stderr]).toEqual([137, expect.stringContaining("memory is used up")]);
    expect((await client.ok(["exec", "-w", "box", "--", "echo on"])).stdout).toBe("on\n");
  });
}

test("a workspace whose flavor the operator took away does not start, and says so", async () => {
  await writeFile(file(), JSON.stringify({ default: {}, mine: { processes: 512 } }));
  const server = await testServer(["--driver", "process", "--flavors", file()]);
  onTestFinished(async () => await server.close());
  const client = await server.client();
  for (const flavor of ["mine", "default"]) await client.ok(["create", flavor, "--flavor", flavor]);
  await runProgram(["serve", "--stop", "--data-dir", server.facts.data_dir], { env: home.env });
  const at = ["--http", new URL(server.facts.api_base).host, "--ssh", `127.0.0.1:${server.facts.ssh.port}`];
  const words = ["serve", "--detach", "--json", "--data-dir", server.facts.data_dir, "--driver", "process", ...at];
  expect((await runProgram(words, { env: home.env })).exitCode).toBe(0);
  const ran = await client.run(["start", "mine", "--json"]);
  expect([ran.exitCode, ran.json()["message"]]).toEqual([5, expect.stringContaining("no flavor mine any more")]);
  await client.ok(["start", "default"]);
});

describeEngines(
  (kind) => `flavors on ${kind}`,
  (_kind, address) => {
    flavors(["--driver", "docker", "--engine", address, "--image", DEBIAN, "--engine-network", "none"]);
  },
);
