// The agents' plugin: what its manifests name is there, what its texts say of the program is true, and its finder finds.
import { execa } from "execa";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { parse, splitName } from "../../src/cli/parse.ts";
import { find } from "../../src/cli/registry.ts";
import { COMMANDS } from "../../src/commands/index.ts";
import { EXIT_CODES } from "../../src/protocol/errors.ts";
import { describeWith, ROOT, testWith, which, type Tool } from "../harness/index.ts";

const PLUGIN = path.join(ROOT, "plugins/runcode");
const read = (...parts: string[]): Promise<string> => readFile(path.join(...parts), "utf8");
const json = async <T = Record<string, unknown>>(...parts: string[]): Promise<T> =>
  JSON.parse(await read(...parts)) as T;
interface Servers {
  mcpServers: { runcode: { command: string; args: string[] } };
}
interface Marketplace {
  name: string;
  plugins: { name: string; source: never }[];
}
const skill = (): Promise<string> => read(PLUGIN, "skills/runcode/SKILL.md");

/** The fields between the two lines of dashes, as far as `name: text` goes. */
function frontMatter(text: string): Record<string, string> {
  const [, head = ""] = /^---\n([\s\S]*?)\n---\n/.exec(text) ?? [];
  return Object.fromEntries([...head.matchAll(/^([a-z-]+): (.+)$/gm)].map(([, key, value]) => [key, value]));
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "rc-plugin-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("the manifests", () => {
  test.each([[".claude-plugin"], [".codex-plugin"]])(
    "%s names the plugin and the program's version",
    async (folder) => {
      expect(await json(PLUGIN, folder, "plugin.json")).toMatchObject({
        name: "runcode",
        version: manifest.version,
        license: manifest.license,
        description: expect.stringMatching(/\S/) as string,
      });
    },
  );

  test("Codex's manifest names a folder of skills and a file of servers that are there", async () => {
    const { skills, mcpServers } = await json<Record<string, string>>(PLUGIN, ".codex-plugin/plugin.json");
    expect((await stat(path.join(PLUGIN, skills ?? "", "runcode/SKILL.md"))).isFile()).toBe(true);
    expect(await json(PLUGIN, mcpServers ?? "")).toHaveProperty("mcpServers.runcode.command");
  });

  test.each([
    [".claude-plugin/marketplace.json", ({ source }: { source: string }) => source],
    [".agents/plugins/marketplace.json", ({ source }: { source: { path: string } }) => source.path],
  ])("%s leads to the plugin", async (file, sourceOf) => {
    const { name, plugins } = await json<Marketplace>(ROOT, file);
    expect(name).toBe("runcode");
    const [plugin, ...more] = plugins;
    expect(more).toEqual([]);
    expect([plugin?.name, path.join(ROOT, sourceOf(plugin as never))]).toEqual(["runcode", PLUGIN]);
  });

  test("Claude Code's server is started by the finder", async () => {
    const { command } = (await json<Servers>(PLUGIN, ".mcp.json")).mcpServers.runcode;
    const file = command.replace("${CLAUDE_PLUGIN_ROOT}", PLUGIN);
    expect(file).toBe(path.join(PLUGIN, "bin/runcode"));
    expect((await stat(file)).mode & 0o111).toBe(0o111);
  });
});

test("the servers' lines end in a command that the program has and that help shows", async () => {
  for (const file of [".mcp.json", "codex.mcp.json"]) {
    const { args } = (await json<Servers>(PLUGIN, file)).mcpServers.runcode;
    // Codex's is a line for a shell, which another test runs.
    const name = file === ".mcp.json" ? args[0] : /\b(\w+)['"]?$/.exec(args.join(" "))?.[1];
    const found = find(COMMANDS, name ?? "", []);
    expect([file, name, found?.name, found?.entry.hidden]).toEqual([file, "mcp", "mcp", undefined]);
  }
});

describe("the skill", () => {
  test("has the name of its folder, and a description as long as agents read", async () => {
    const { name, description } = frontMatter(await skill());
    expect(name).toBe("runcode");
    expect(description?.length).toBeGreaterThan(100);
    expect(description?.length).toBeLessThanOrEqual(1024);
    // It would end the value, or begin another.
    expect(description).not.toMatch(/: |#/);
  });

  test("tells what to do at every error code, with the exit code that it has, and at no other", async () => {
    const rows = [...(await skill()).matchAll(/^\| (\d+) \| `(\w+)` \| (.+) \|$/gm)];
    expect(Object.fromEntries(rows.map(([, exit, code]) => [code, Number(exit)]))).toEqual(EXIT_CODES);
    expect(rows.length).toBe(Object.keys(EXIT_CODES).length);
    for (const [, , , advice] of rows) expect(advice?.length).toBeGreaterThan(20);
  });
});

describe("every command line in the plugin's texts", () => {
  let texts: [name: string, text: string][];
  beforeAll(async () => {
    const commands = await readdir(path.join(PLUGIN, "commands"));
    texts = [
      ["SKILL.md", await skill()],
      ...(await Promise.all(
        commands.map(async (name) => [name, await read(PLUGIN, "commands", name)] as [string, string]),
      )),
    ];
    await writeFile(path.join(dir, "runcode"), '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done >>"$TOLD"\n', {
      mode: 0o755,
    });
  });

  /** What a shell hands to runcode for this line. */
  async function words(line: string): Promise<string[]> {
    const told = path.join(await mkdtemp(path.join(dir, "told-")), "words");
    // <workspace> stands for a name.
    await execa("sh", ["-c", line.replaceAll(/<([\w-]+)>/g, "$1")], {
      env: { PATH: `${dir}:/usr/bin:/bin`, TOLD: told, HOME: dir },
      extendEnv: false,
      cwd: dir,
      stdin: "ignore",
    });
    return (await readFile(told, "utf8")).split("\0").slice(0, -1);
  }

  test("is one that the program takes", async () => {
    let count = 0;
    for (const [name, text] of texts) {
      const blocks = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap(([, body = ""]) => body.trim().split("\n"));
      const inline = [...text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/`(runcode [^`]+)`/g)].map(
        ([, line = ""]) => line,
      );
      for (const line of [...blocks, ...inline].filter((each) => !each.includes("<command>"))) {
        const argv = await words(line);
        const split = splitName(argv);
        const found = find(COMMANDS, split.name ?? "", split.words);
        expect([name, line, found?.entry.hidden]).toEqual([name, line, undefined]);
        expect([name, line, found]).not.toEqual([name, line, null]);
        // A bare name speaks of the command and is no call of it.
        if (argv.length > 1 && found) {
          const command = (await found.entry.load()).default;
          expect(() => parse(found.name, command, found.words), `${name}: ${line}`).not.toThrow();
        }
        count++;
      }
    }
    expect(count).toBeGreaterThan(40);
  });

  test("is for an agent that reads --json, where it is one to copy", async () => {
    const [, text] = texts[0] as [string, string];
    const blocks = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap(([, body = ""]) => body.trim().split("\n"));
    expect(blocks.length).toBeGreaterThan(8);
    expect(blocks.filter((line) => !line.includes(" --json"))).toEqual([]);
  });
});

describe("the slash commands", () => {
  test("each say what they are for", async () => {
    const names = await readdir(path.join(PLUGIN, "commands"));
    expect(names.length).toBeGreaterThanOrEqual(3);
    for (const name of names) {
      const text = await read(PLUGIN, "commands", name);
      expect(frontMatter(text)["description"]?.length).toBeGreaterThan(20);
      expect(await read(PLUGIN, "README.md")).toContain(`/runcode:${path.basename(name, ".md")}`);
    }
  });
});

describe.each<[Tool, string[]]>([
  ["dash", []],
  ["bash", ["--posix"]],
  ["busybox", ["sh"]],
])("the finder in %s", (shell, more) => {
  describeWith(shell)("looks for the program", () => {
    let home: string;
    let tools: string;
    const answers = async (file: string, said: string): Promise<void> => {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, `#!/bin/sh\nprintf '%s' "${said}"; for word; do printf ' <%s>' "$word"; done\n`);
      await chmod(file, 0o755);
    };
    beforeEach(async () => {
      home = await mkdtemp(path.join(dir, "home-"));
      // Nothing but what the finder itself wants, so that no runcode of this machine is found.
      tools = path.join(home, "tools");
      await mkdir(tools);
      for (const tool of ["head", "tr", "cat", "printf"])
        await symlink(Bun.which(tool) as string, path.join(tools, tool));
    });
    const run = (env: Record<string, string> = {}, words = ["exec", "--", "a b", "*"]) =>
      execa(which(shell) as string, [...more, path.join(PLUGIN, "bin/runcode"), ...words], {
        env: { HOME: home, ...env, PATH: env["PATH"] ?? tools },
        extendEnv: false,
        reject: false,
        cwd: home,
      });

    const elsewhere = ["/usr/local", "/opt/homebrew", "/home/linuxbrew/.linuxbrew"].some((prefix) =>
      existsSync(`${prefix}/bin/runcode`),
    );
    test.skipIf(elsewhere)("and says how to get it where there is none (this machine must have none)", async () => {
      const ran = await run();
      expect([ran.exitCode, ran.stdout]).toEqual([127, ""]);
      for (const way of ["install.sh", "brew install", "npm install --global runcode", "RUNCODE_BIN"])
        expect(ran.stderr).toContain(way);
    });

    test("in ~/.local/bin, and before that on the PATH, and before all where RUNCODE_BIN says", async () => {
      const words = "<exec> <--> <a b> <*>";
      await answers(path.join(home, ".local/bin/runcode"), "local");
      expect((await run()).stdout).toBe(`local ${words}`);
      const onPath = path.join(home, "a b");
      await answers(path.join(onPath, "runcode"), "path");
      const PATH = `${tools}:${onPath}`;
      expect((await run({ PATH })).stdout).toBe(`path ${words}`);
      await answers(path.join(home, "mine"), "mine");
      expect((await run({ PATH, RUNCODE_BIN: path.join(home, "mine") })).stdout).toBe(`mine ${words}`);
      const wrong = await run({ PATH, RUNCODE_BIN: path.join(home, "nothing") });
      expect([wrong.exitCode, wrong.stderr]).toEqual([127, expect.stringContaining("RUNCODE_BIN")]);
    });

    test("never finds itself, a copy of itself, a folder, or what lies in the directory it is called in", async () => {
      await answers(path.join(home, ".local/bin/runcode"), "local");
      const copies = path.join(home, "copies");
      await mkdir(path.join(home, "folder/runcode"), { recursive: true });
      await mkdir(copies);
      await copyFile(path.join(PLUGIN, "bin/runcode"), path.join(copies, "runcode"));
      await answers(path.join(home, "runcode"), "the project's");
      const PATH = [tools, path.join(PLUGIN, "bin"), copies, path.join(home, "folder"), ".", ""].join(":");
      expect((await run({ PATH })).stdout).toBe("local <exec> <--> <a b> <*>");
    });
  });
});

test("Codex's server line finds the program in ~/.local/bin and behind RUNCODE_BIN", async () => {
  const { command, args } = (await json<Servers>(PLUGIN, "codex.mcp.json")).mcpServers.runcode;
  const home = await mkdtemp(path.join(dir, "home-"));
  await mkdir(path.join(home, ".local/bin"), { recursive: true });
  const program = path.join(home, ".local/bin/runcode");
  await writeFile(program, '#!/bin/sh\necho "$0 $*"\n', { mode: 0o755 });
  const env = { HOME: home, PATH: "/usr/bin:/bin" };
  expect((await execa(command, args, { env, extendEnv: false })).stdout).toBe(`${program} mcp`);
  const named = path.join(home, "mine");
  await copyFile(program, named);
  const set = { ...env, RUNCODE_BIN: named };
  expect((await execa(command, args, { env: set, extendEnv: false })).stdout).toBe(`${named} mcp`);
});

testWith("shellcheck")("the finder passes shellcheck as a POSIX script", async () => {
  expect((await execa("shellcheck", [path.join(PLUGIN, "bin/runcode")], { reject: false })).stdout).toBe("");
});
