import { execa } from "execa";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Language, Parser } from "web-tree-sitter";
import { COMMANDS } from "../../src/commands/index.ts";
import { flagName } from "../../src/cli/define.ts";
import { BINARY, runProgram, testHome, testWith, type TestHome } from "../harness/index.ts";

let home: TestHome;
let env: Record<string, string>;
beforeAll(async () => {
  home = await testHome();
  await mkdir(path.join(home.dir, "bin"));
  await symlink(BINARY, path.join(home.dir, "bin/runcode"));
  env = { ...home.env, PATH: `${path.join(home.dir, "bin")}:${home.env["PATH"]}` };
  for (const [id, title] of [
    [1, "demo"],
    [2, "Deep.blue"],
    [3, "$(touch /tmp/owned)"],
  ] as const) {
    const dir = path.join(home.dir, `.cache/runcode/ws-${id}`);
    await mkdir(dir, { recursive: true });
    await writeFile(path.join(dir, "meta.json"), JSON.stringify({ title }));
  }
  await writeFile(path.join(home.dir, "a-file"), "");
});
afterAll(() => home.remove());

describe("completion in a real bash", () => {
  /** What Tab offers after these words; the last is being typed. */
  async function offered(...words: string[]): Promise<string[]> {
    const script = `eval "$(runcode completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _runcode
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await execa("bash", ["--norc", "-c", script, "bash", "runcode", ...words], {
      env,
      extendEnv: false,
      cwd: home.dir,
    });
    return stdout.split("\n").filter(Boolean).sort();
  }

  test("offers every command that help shows, and none that it hides", async () => {
    const shown = Object.entries(COMMANDS)
      .filter(([name, { hidden }]) => !hidden && !name.includes(" "))
      .map(([name]) => name);
    expect(await offered("")).toEqual(shown.sort());
    expect(await offered("conf")).toEqual(["config-ssh"]);
    expect(await offered("--json", "--profile", "x", "conf")).toEqual(["config-ssh"]);
  });

  test("offers every flag of every command", async () => {
    for (const [name, { hidden, load }] of Object.entries(COMMANDS)) {
      if (hidden) continue;
      const command = (await load()).default;
      const flags = Object.entries(command.options)
        .filter(([, option]) => !option.hidden)
        .map(([key]) => flagName(key));
      expect(await offered(...name.split(" "), "--")).toEqual(expect.arrayContaining([...flags, "--json", "--help"]));
    }
  });

  test("offers the choices of a flag and of a word, and the second word of a name", async () => {
    expect(await offered("install-path", "--shell", "")).toEqual(["bash", "fish", "sh", "zsh"]);
    expect(await offered("completion", "")).toEqual(["bash", "fish", "powershell", "zsh"]);
    expect(await offered("serve", "")).toContain("token");
    expect(await offered("jobs", "kill", "--")).not.toContain("--running");
    expect(await offered("jobs", "--")).not.toContain("--grace");
    expect(await offered("schema", "")).toEqual(expect.arrayContaining(["exec", "serve-token", "error"]));
  });

  test("offers the workspaces of the cache where one is wanted, and none whose name a shell would run", async () => {
    expect(await offered("connect", "")).toEqual(["Deep.blue", "demo"]);
    expect(await offered("connect", "de")).toEqual(["demo"]);
    expect(await offered("port-forward", "--workspace", "")).toEqual(["Deep.blue", "demo"]);
    expect(await offered("doctor", "")).toEqual([]);
  });
});

test("the names come at once and offline, and an empty cache is no error", async () => {
  const dead = { ...env, RUNCODE_API_BASE: "https://nothing.invalid" };
  expect(await runProgram(["completion", "workspaces"], { env: dead })).toMatchObject({
    exitCode: 0,
    stdout: "Deep.blue\ndemo\n",
  });
  expect(
    await runProgram(["completion", "workspaces"], { env: { ...env, XDG_CACHE_HOME: "/nonexistent" } }),
  ).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
});

test("an unknown shell is a usage error that names the known ones", async () => {
  const ran = await runProgram(["completion", "tcsh", "--json"], { env });
  expect([ran.exitCode, ran.json()]).toMatchObject([
    2,
    { error: "usage", message: expect.stringContaining("powershell") as string },
  ]);
});

test.each([["bash"], ["zsh"], ["fish"], ["powershell"]])(
  "the script for %s names every command and quotes what is said of it",
  async (shell) => {
    const { script } = (await runProgram(["completion", shell, "--json"], { env })).json<{ script: string }>();
    for (const name of ["connect", "port-forward", "config-ssh", "serve"]) expect(script).toContain(name);
    expect(script).toContain(shell === "fish" ? "-l dry-run" : "--dry-run");
  },
);

test("the script for PowerShell is PowerShell (read by its grammar: neither Debian nor npm has the shell)", async () => {
  const { script } = (await runProgram(["completion", "powershell", "--json"], { env })).json<{ script: string }>();
  await Parser.init();
  const wasm = createRequire(import.meta.url).resolve("tree-sitter-powershell/tree-sitter-powershell.wasm");
  const parser = new Parser().setLanguage(await Language.load(await readFile(wasm)));
  const sound = (text: string): boolean => parser.parse(text)?.rootNode.hasError === false;
  expect(sound(script)).toBe(true);
  // The grammar would notice.
  expect(sound(script.replace("param(", "param"))).toBe(false);
});

testWith("zsh")("a real zsh takes its script", async () => {
  const { script } = (await runProgram(["completion", "zsh", "--json"], { env })).json<{ script: string }>();
  await execa(
    "zsh",
    ["-f", "-c", 'autoload -Uz compinit && compinit -u -D; eval "$1"; whence _runcode >/dev/null', "zsh", script],
    { env, extendEnv: false },
  );
});

testWith("fish")("a real fish offers commands, flags and workspaces", async () => {
  const ask = async (line: string) =>
    (
      await execa("fish", ["-N", "-c", `runcode completion fish | source; complete -C ${JSON.stringify(line)}`], {
        env,
        extendEnv: false,
      })
    ).stdout;
  expect(await ask("runcode conf")).toContain("config-ssh");
  expect(await ask("runcode config-ssh --dry")).toContain("--dry-run");
  expect(await ask("runcode connect d")).toContain("demo");
  expect(await ask("runcode jobs ki")).toContain("kill");
  expect(await ask("runcode jobs kill --gr")).toContain("--grace");
  expect(await ask("runcode jobs --gr")).toBe("");
});
