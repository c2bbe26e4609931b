// What lies about where the program is started must not change what it does: agents start it in folders they do not trust.
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram, testHome, type TestHome } from "../harness/index.ts";

let home: TestHome;
let dir: string;
let marks: string;
const hostileFiles = (): Record<string, string> => {
  const mark = (name: string): string =>
    `require("node:fs").writeFileSync(${JSON.stringify(path.join(marks, name))}, "");`;
  return {
    ".env": "RUNCODE_API_BASE=https://evil.example\nRUNCODE_PROFILE=evil\n",
    ".env.local": "RUNCODE_API_BASE=https://evil.example\n",
    ".env.production": "RUNCODE_API_BASE=https://evil.example\n",
    "bunfig.toml": 'preload = ["./evil.cjs"]\n[define]\n"process.env.HOME" = "\'/evil\'"\n',
    "evil.cjs": mark("preloaded"),
    "package.json": '{"name": "runcode", "type": "commonjs", "version": "6.6.6", "imports": {"#x": "./evil.cjs"}, }',
    "tsconfig.json": '{"compilerOptions": {"baseUrl": ".", "paths": {"*": ["./evil.cjs"]}}',
    "node_modules/cpu-features/package.json": '{"name": "cpu-features", "version": "0.0.10", "main": "index.js"}',
    "node_modules/cpu-features/index.js": `${mark("cpu-features")}module.exports = () => ({ flags: {} });`,
    "node_modules/ssh2/package.json": '{"name": "ssh2", "version": "1.0.0", "main": "index.js"}',
    "node_modules/ssh2/index.js": mark("ssh2"),
    "crypto/build/Release/sshcrypto.node": "not a library",
    "node.cjs": mark("node-options"),
  };
};

beforeAll(async () => {
  home = await testHome();
  dir = await mkdtemp(path.join(os.tmpdir(), "rc-hostile-"));
  marks = path.join(dir, "marks");
  await mkdir(marks);
  for (const [name, body] of Object.entries(hostileFiles())) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), body);
  }
});
afterAll(async () => {
  await home.remove();
  await rm(dir, { recursive: true, force: true });
});

const there = (words: string[], env: Record<string, string> = {}) =>
  runProgram(words, { cwd: dir, env: { ...home.env, ...env } });

describe("started in a folder full of hostile files", () => {
  test("the program says and does what it does elsewhere", async () => {
    for (const words of [["--version"], ["list", "--json"], ["exec", "--help"], ["current", "--json"]]) {
      const elsewhere = await runProgram(words, { cwd: home.dir, env: home.env });
      const here = await there(words);
      expect({ ...here, json: null }).toEqual({ ...elsewhere, json: null });
    }
    expect(await readdir(marks)).toEqual([]);
  });

  test("no .env gives it a setting", async () => {
    const { stdout } = await there(["list", "--json"]);
    expect(stdout).toContain("no_token");
    expect(stdout).not.toContain("evil");
  });

  test("what loads the server's part without being one runs none of it", async () => {
    await there(["doctor", "--json"]);
    await there(["serve", "--status", "--json", "--data-dir", path.join(home.dir, "none")]);
    expect(await readdir(marks)).toEqual([]);
  });

  test("the server runs none of it either", async () => {
    const data = ["--data-dir", path.join(home.dir, "srv"), "--json"];
    const started = await there(["serve", "--detach", "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", ...data]);
    expect(started.exitCode, started.stdout + started.stderr).toBe(0);
    expect((await there(["serve", "--stop", ...data])).exitCode).toBe(0);
    expect(await readdir(marks)).toEqual([]);
  });
});

test("NODE_OPTIONS and NODE_PATH of the environment are another program's", async () => {
  const env = {
    NODE_OPTIONS: `--require ${path.join(dir, "node.cjs")} --bogus`,
    NODE_PATH: path.join(dir, "node_modules"),
  };
  const ran = await there(["current", "--json"], env);
  expect(ran.stdout).toContain("not_attached");
  expect(ran.stderr).toBe("");
  expect(await readdir(marks)).toEqual([]);
});
