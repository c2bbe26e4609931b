import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BINARY, runProgram, testHome, type TestHome } from "../harness/index.ts";

let home: TestHome;
let project: string;
beforeEach(async () => {
  home = await testHome();
  project = path.join(home.dir, "project");
  await mkdir(path.join(project, "deep"), { recursive: true });
});
afterEach(() => home.remove());

const run = (words: string[], options: Parameters<typeof runProgram>[1] = {}) =>
  runProgram(words, { cwd: home.dir, ...options, env: { ...home.env, ...options.env } });
const BASE = "https://one.example.org";

async function attach({ title = "demo", minutes = 24.5 } = {}) {
  const cache = path.join(home.dir, ".cache/runcode");
  await mkdir(path.join(cache, "ws-7"), { recursive: true });
  const pointer = { workspaceId: 7, title, apiBase: BASE, cwd: project, attachedAt: Date.now() };
  await writeFile(path.join(cache, "current"), JSON.stringify(pointer));
  const meta = { workspaceId: 7, apiBase: BASE, expiresAt: Date.now() + minutes * 60_000 };
  await writeFile(path.join(cache, "ws-7/meta.json"), JSON.stringify(meta));
}
const claude = (cwd: string) =>
  JSON.stringify({
    session_id: "s",
    cwd: "/elsewhere",
    model: { id: "m" },
    workspace: { current_dir: cwd, project_dir: cwd },
  });

describe("the status line", () => {
  test("names the workspace and the time left, in the directory that attached and below it", async () => {
    await attach();
    for (const cwd of [project, path.join(project, "deep")]) {
      const ran = await run(["statusline", "--plain"], { stdin: claude(cwd) });
      expect(ran).toMatchObject({ exitCode: 0, stdout: "runcode:demo 25m\n", stderr: "" });
    }
    const coloured = await run(["statusline"], { stdin: claude(project) });
    expect(coloured.stdout).toBe("\u001b[36mruncode:demo 25m\u001b[0m\n");
  });

  test.each([["--bogus"], ["extra", "words"], ["--plain=x"], ["--profile"], ["--profile", "../x"]])(
    "prints nothing and is content when it is given %j %j",
    async (...words) => {
      await attach();
      const ran = await run(["statusline", ...words], { stdin: claude(home.dir) });
      expect(ran).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
      const json = await run(["--json", "statusline", ...words], { stdin: claude(home.dir) });
      expect(json).toMatchObject({ exitCode: 0, stdout: '{"text":""}\n', stderr: "" });
    },
  );

  test("finds the directory behind a symlink, and takes the plain cwd where nothing else is said", async () => {
    await attach();
    await symlink(project, path.join(home.dir, "link"));
    expect((await run(["statusline", "--plain"], { stdin: claude(path.join(home.dir, "link")) })).stdout).toContain(
      "demo",
    );
    expect((await run(["statusline", "--plain"], { stdin: JSON.stringify({ cwd: project }) })).stdout).toContain(
      "demo",
    );
    expect((await run(["statusline", "--plain"], { cwd: project })).stdout).toContain("demo");
  });

  test("says when the key has expired", async () => {
    await attach({ minutes: -1 });
    expect((await run(["statusline", "--plain"], { stdin: claude(project) })).stdout).toBe(
      "runcode:demo key expired\n",
    );
  });

  test("prints nothing in any other directory, not even in one whose name begins the same", async () => {
    await attach();
    await mkdir(`${project}-2`);
    for (const cwd of [home.dir, `${project}-2`, "/", "/no/such/place"])
      expect(await run(["statusline"], { stdin: claude(cwd) })).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("prints nothing and exits 0 whatever it is given", async () => {
    expect(await run(["statusline"], { stdin: claude(project) })).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: "",
    });
    await attach();
    const pointer = path.join(home.dir, ".cache/runcode/current");
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '{"workspaceId":7}',
      "\u0000",
      '{"workspaceId":"7","title":{},"cwd":1}',
    ]) {
      await writeFile(pointer, text);
      expect(await run(["statusline"], { stdin: claude(project) })).toMatchObject({
        exitCode: 0,
        stdout: "",
        stderr: "",
      });
    }
    await attach();
    for (const stdin of [
      "",
      "[]",
      "null",
      "{}",
      '{"workspace":null}',
      '{"workspace":{"current_dir":7}}',
      "not json",
      "\xff".repeat(9),
    ])
      expect(await run(["statusline"], { stdin })).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("strips what a hostile title would do to the terminal", async () => {
    await attach({ title: "de\u001b]0;owned\u0007mo\n\u202e" });
    expect((await run(["statusline", "--plain"], { stdin: claude(project) })).stdout).toBe(
      "runcode:de]0;ownedmo 25m\n",
    );
  });

  test("does not wait for a stdin that nobody closes", async () => {
    await attach();
    const child = spawn(BINARY, ["statusline", "--plain"], {
      cwd: project,
      env: home.env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(0);
    expect(said).toBe("runcode:demo 25m\n");
  });

  test("gives one document with --json, also when there is nothing to say", async () => {
    expect((await run(["statusline", "--json"], { stdin: claude(project) })).json()).toEqual({ text: "" });
    await attach();
    expect((await run(["statusline", "--json"], { stdin: claude(project) })).json()).toMatchObject({
      text: "runcode:demo 25m",
      workspace_id: 7,
      title: "demo",
    });
  });
});

describe("install-statusline", () => {
  const file = () => path.join(home.dir, ".claude/settings.json");
  const write = async (text: string) => {
    await mkdir(path.dirname(file()), { recursive: true });
    await writeFile(file(), text);
  };
  const read = () => readFile(file(), "utf8");

  test("makes the settings where there are none, and takes them away again", async () => {
    const ran = await run(["install-statusline", "--json"]);
    expect(ran.json()).toMatchObject({ path: file(), changed: true, installed: true });
    expect(JSON.parse(await read())).toEqual({
      statusLine: { type: "command", command: `${BINARY} statusline`, padding: 0 },
    });
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await run(["install-statusline", "--json"])).json()).toMatchObject({ changed: false, installed: true });
    expect((await run(["install-statusline", "--remove", "--json"])).json()).toEqual({
      path: file(),
      changed: true,
      installed: false,
    });
    expect(await readdir(path.dirname(file()))).toEqual([]);
    expect((await run(["install-statusline", "--remove", "--json"])).json()).toMatchObject({ changed: false });
  });

  test("keeps everything else as it was written, and gives it back byte for byte", async () => {
    const text = '{\n\t"model" : "opus",\n\t"hooks": {"a": [ 1,2 ]},\n\t"unknown": null }\n';
    await write(text);
    await chmod(file(), 0o640);
    const { backup } = (await run(["install-statusline", "--json"])).json<{ backup: string }>();
    expect(await readFile(backup, "utf8")).toBe(text);
    expect(await read()).toContain('\t"hooks": {"a": [ 1,2 ]},\n');
    expect((await stat(file())).mode & 0o777).toBe(0o640);
    await run(["install-statusline", "--remove"]);
    expect(await read()).toBe(text);
    expect(await readdir(path.dirname(file()))).toEqual(["settings.json"]);
  });

  test("the command that it writes is one that a shell can run", async () => {
    await run(["install-statusline"]);
    await attach();
    const { command } = (JSON.parse(await read()) as { statusLine: { command: string } }).statusLine;
    const child = spawn("sh", ["-c", command], { env: home.env, stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stdin.end(claude(project));
    await new Promise((resolve) => child.on("close", resolve));
    expect(said).toContain("runcode:demo 25m");
  });

  test("refuses to replace somebody else's, does so with --force, and --remove brings it back", async () => {
    const text = '{ "statusLine": { "type": "command",   "command": "mine" }, "x": 1 }';
    await write(text);
    const refused = await run(["install-statusline", "--json"]);
    expect(refused.exitCode).toBe(5);
    expect(refused.json()).toMatchObject({ error: "conflict", hint: expect.stringContaining("--force") as string });
    expect(await read()).toBe(text);
    expect((await run(["install-statusline", "--remove", "--json"])).json()).toMatchObject({ changed: false });
    await run(["install-statusline", "--force"]);
    expect(JSON.parse(await read())).toMatchObject({ statusLine: { command: `${BINARY} statusline` }, x: 1 });
    await run(["install-statusline", "--force"]);
    await run(["install-statusline", "--remove"]);
    expect(await read()).toBe(text);
  });

  test.each([["{ // no\n}"], ["[]"], [""], ["{"]])("refuses settings that are no JSON object: %j", async (text) => {
    await write(text);
    for (const words of [[], ["--force"], ["--remove"]]) {
      const ran = await run(["install-statusline", "--json", ...words]);
      expect([ran.exitCode, ran.json()]).toMatchObject([9, { error: "config_invalid" }]);
    }
    expect(await read()).toBe(text);
  });

  test("goes where CLAUDE_CONFIG_DIR says", async () => {
    const env = { CLAUDE_CONFIG_DIR: path.join(home.dir, "cc") };
    await run(["install-statusline"], { env });
    expect(await readdir(path.join(home.dir, "cc"))).toEqual(["settings.json"]);
    await run(["install-statusline", "--remove"], { env });
    expect(await readdir(path.join(home.dir, "cc"))).toEqual([]);
  });
});
