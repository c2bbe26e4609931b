// The runtime client as somebody gets it who installs the npm package: no sources of ours, no network, no Bun.
import { execa } from "execa";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type * as v from "valibot";
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import { clientFiles } from "../../scripts/release/runtime-client.ts";
import { mainPackage } from "../../scripts/release/npm-packages.ts";
import type { StartRuntimeRequest } from "../../src/protocol/runtime-api.ts";
import type { StartRuntimeInput } from "../../src/runtime-client/index.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { ROOT, testServer, type TestServer } from "../harness/index.ts";
import { NO_ENGINE } from "./api.ts";
import { silentServer } from "./silent.ts";

/** Starts, looks at and stops a runtime, and asks for what must be refused; says how it went. */
const PROGRAM = `
import {
  createRuntimeClient, RuntimeError, RuntimeInvalid, RuntimeNotFound, RuntimeUnavailable,
  type RuntimeAnswer, type RuntimeClient, type StartRuntimeInput, type ValidationProblem,
} from "runcode/runtime-client";
declare const process: { argv: string[] };

const [, , base = "", image = "", name = ""] = process.argv;
const client: RuntimeClient = createRuntimeClient({ base });
const told: Record<string, unknown> = {};

async function refusal(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return "none";
  } catch (error) {
    if (error instanceof RuntimeInvalid) {
      const problems: readonly ValidationProblem[] = error.problems;
      return [error.name, error.status, problems[0]?.type];
    }
    const kinds = { RuntimeNotFound, RuntimeUnavailable, RuntimeError };
    for (const [kind, of] of Object.entries(kinds)) if (error instanceof of) return [kind, error.status, error.code];
    return error;
  }
}

const stop = new AbortController();
const reason = new Error("enough");
stop.abort(reason);
told["aborted"] = (await refusal(client.listRuntimes({ signal: stop.signal }))) === reason;
told["missing"] = await refusal(client.stopRuntime("nobody", { graceSeconds: 1 }));
told["invalid"] = await refusal(client.startRuntime({ image: "" }));
if (image !== "") {
  const wanted: StartRuntimeInput = { image, name, command: ["sleep", "1000"], environment: { A: "b" }, labels: { npm: "client" } };
  const started: RuntimeAnswer = await client.startRuntime(wanted);
  const { status } = await client.pauseRuntime(name);
  await client.resumeRuntime(name);
  const listed = (await client.listRuntimes()).map((one) => one.runtime_id).includes(started.runtime_id);
  told["life"] = [started.status, status, listed, (await client.stopRuntime(name, { graceSeconds: 0 })).status];
}
console.log(JSON.stringify(told));

export async function neverCalled(): Promise<void> {
  // @ts-expect-error: an image is needed
  await client.startRuntime({});
  // @ts-expect-error: an id is a text
  await client.stopRuntime(1);
  // @ts-expect-error: an environment is made of texts
  await client.startRuntime({ image: "i", environment: { PORT: 1 } });
}
`;

/**
 * Its own fetch gives up a silent server within seconds, where it would take five minutes; only then does it have its other calls
 * answered. Node.js takes the limit from what its fetch goes through, Bun from the environment.
 */
const PATIENT = `
import { createRuntimeClient } from "runcode/runtime-client";
const [, , base] = process.argv;
const through = Symbol.for("undici.globalDispatcher.1");
await fetch("data:,");
if (globalThis[through]) globalThis[through] = new globalThis[through].constructor({ headersTimeout: 200 });
const client = createRuntimeClient({ base });
const calls = Promise.all([client.startRuntime({ image: "i" }), client.stopRuntime("x", { graceSeconds: 600 })]);
const impatient = await fetch(base + "/silent").then(() => "answered", () => "gave up");
await fetch(base + "/answer");
console.log(JSON.stringify({ impatient, calls: (await calls).map((answer) => answer.status) }));
`;

const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    module: "NodeNext",
    moduleResolution: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    // The package's own declarations are looked at as well.
    skipLibCheck: false,
    types: [],
  },
  files: ["main.ts"],
};

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "runcode-npm-client-"));
  // What npm packs of the package's folder, and not what we say that it would.
  const { body } = await mainPackage("0.0.0", await clientFiles(), []);
  const files = path.join(dir, "files");
  await mkdir(files);
  await execa("tar", ["-xzf", "-", "-C", files, "--strip-components=1"], { input: body });
  const npm = { env: { npm_config_cache: path.join(dir, "cache") } };
  await execa("npm", ["pack", "--ignore-scripts", "--pack-destination", dir, files], npm);
  const project = path.join(dir, "project");
  await mkdir(project);
  await writeFile(path.join(project, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  await writeFile(path.join(project, "main.ts"), PROGRAM);
  await writeFile(path.join(project, "patient.js"), PATIENT);
  await writeFile(path.join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
  const install = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  await execa("npm", [...install, path.join(dir, "runcode-0.0.0.tgz")], { ...npm, cwd: project });
  await execa("node", [path.join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: project });
});
afterAll(async () => await rm(dir, { recursive: true, force: true }));

const program = async (
  runtime: string,
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Record<string, unknown>> => {
  const { stdout } = await execa(runtime, ["main.js", ...words], { cwd: path.join(dir, "project"), env });
  return JSON.parse(stdout) as Record<string, unknown>;
};

test("it imports nothing, so that a browser or a bundler takes it as it is", async () => {
  const script = await Bun.file(path.join(dir, "project/node_modules/runcode/runtime-client/index.js")).text();
  expect(new Bun.Transpiler({ loader: "js" }).scan(script)).toMatchObject({
    imports: [],
    exports: expect.arrayContaining(["createRuntimeClient", "RuntimeNotFound"]) as string[],
  });
  expect(script).not.toMatch(/\b(?:Bun|process|Buffer|require)\b[.(]/);
});

test("what may be sent has the names that the server knows", () => {
  expectTypeOf<keyof StartRuntimeInput>().toEqualTypeOf<keyof v.InferInput<typeof StartRuntimeRequest>>();
});

test.each([
  ["Node.js", "node"],
  ["Bun", process.execPath],
])("without an engine its errors are of their class, under %s", async (_, runtime) => {
  const server = await testServer(["--driver", "process", "--runtime-api", "127.0.0.1:0"], { DOCKER_HOST: NO_ENGINE });
  try {
    expect(await program(runtime, [baseOf(server)])).toEqual({
      aborted: true,
      missing: ["RuntimeUnavailable", 503, "unavailable"],
      invalid: ["RuntimeInvalid", 422, "string_too_short"],
    });
  } finally {
    await server.close();
  }
});

test.each([
  ["Node.js", "node"],
  ["Bun", process.execPath],
])("under %s it waits as long as it says, whatever the limits of fetch are", async (_, runtime) => {
  const silent = silentServer();
  try {
    const env = { BUN_CONFIG_HTTP_IDLE_TIMEOUT: "1" };
    const { stdout } = await execa(runtime, ["patient.js", silent.base], { cwd: path.join(dir, "project"), env });
    expect(JSON.parse(stdout)).toEqual({ impatient: "gave up", calls: ["exited", "exited"] });
  } finally {
    await silent.close();
  }
});

describeEngines(
  (kind) => `the npm package's client over ${kind}`,
  (_, address) => {
    let server: TestServer;
    beforeAll(async () => {
      server = await testServer(["--driver", "process", "--runtime-api", "127.0.0.1:0"], { DOCKER_HOST: address });
    });
    afterAll(async () => await server.close());

    test("a program under Node.js starts, pauses, resumes, lists and stops a runtime", async () => {
      const name = `npm-${path.basename(dir).toLowerCase()}`;
      try {
        expect(await program("node", [baseOf(server), BUSYBOX, name])).toEqual({
          aborted: true,
          missing: ["RuntimeNotFound", 404, "not_found"],
          invalid: ["RuntimeInvalid", 422, "string_too_short"],
          life: ["running", "paused", true, "exited"],
        });
      } finally {
        const client = await server.client();
        await client.run(["delete", name, "--yes", "--force"]);
      }
    });
  },
);

function baseOf({ facts }: TestServer): string {
  return (facts as typeof facts & { runtime_api: string }).runtime_api;
}
