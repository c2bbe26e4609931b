import { chmod, lstat, mkdir, open, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BINARY, ROOT, runProgram, testHome, type TestHome } from "../harness/index.ts";

let home: TestHome;
beforeEach(async () => {
  home = await testHome();
});
afterEach(() => home.remove());

interface Answer {
  installed: boolean;
  changed: boolean;
  skills: { path: string; agents: string[]; changed: boolean; backup?: string }[];
}
const start = (words: string[] = [], env: Record<string, string> = {}, cwd = home.dir) =>
  runProgram(["install-skill", "--json", ...words], { env: { ...home.env, ...env }, cwd });
async function run(words: string[] = [], env: Record<string, string> = {}): Promise<Answer> {
  const ran = await start(words, env);
  expect([ran.exitCode, ran.stderr], ran.stdout).toEqual([0, ""]);
  return ran.json<Answer>();
}
const at = (...parts: string[]): string => path.join(home.dir, ...parts);
const SOURCE = path.join(ROOT, "plugins/runcode/skills/runcode/SKILL.md");
const CLAUDES = ".claude/skills/runcode/SKILL.md";
const SHARED = ".agents/skills/runcode/SKILL.md";

/** Every path below the home with its kind, mode and bytes. */
async function picture(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of ((await readdir(home.dir, { recursive: true })) as string[]).sort()) {
    const stats = await lstat(at(name));
    const what = stats.isFile()
      ? await readFile(at(name), "latin1")
      : stats.isSymbolicLink()
        ? await readlink(at(name))
        : "";
    all[name] = `${stats.mode.toString(8)} ${what}`;
  }
  return all;
}

describe("install-skill", () => {
  test("gives every agent that is used here the skill of the plugin, readable by all, once for each folder", async () => {
    for (const dir of [".claude", ".codex", ".config/opencode"]) await mkdir(at(dir));
    const done = await run();
    expect(done).toEqual({
      installed: true,
      changed: true,
      skills: [
        { path: at(CLAUDES), agents: ["claude"], changed: true },
        { path: at(SHARED), agents: ["codex", "opencode"], changed: true },
      ],
    });
    const source = await readFile(SOURCE, "utf8");
    for (const file of [CLAUDES, SHARED]) {
      expect((await readFile(at(file), "utf8")).startsWith(source)).toBe(true);
      expect((await stat(at(file))).mode & 0o777).toBe(0o644);
      expect(await readdir(path.dirname(at(file)))).toEqual(["SKILL.md"]);
    }
    const before = await picture();
    expect(await run()).toMatchObject({ installed: true, changed: false });
    expect(await picture()).toEqual(before);
  });

  test.each([
    ["nothing but the agents' own folders", []],
    ["skills of others", [".claude/skills/mine/SKILL.md", ".agents/skills/theirs/SKILL.md", ".agents/skills/x"]],
  ])("--remove leaves what was there: %s", async (_, files) => {
    await mkdir(at(".claude"));
    await mkdir(at(".cursor"));
    for (const file of files) {
      await mkdir(path.dirname(at(file)), { recursive: true });
      await writeFile(at(file), `of ${file}`);
    }
    const before = await picture();
    await run();
    expect(await run(["--remove"])).toMatchObject({ installed: false, changed: true });
    expect(await picture()).toEqual(before);
    expect(await run(["--remove"])).toMatchObject({ installed: false, changed: false });
    expect(await picture()).toEqual(before);
  });

  test("keeps what was put into a folder of its own meanwhile", async () => {
    await mkdir(at(".claude"));
    await run();
    await writeFile(at(".claude/skills/runcode/notes.md"), "mine");
    await run(["--remove"]);
    expect(await readdir(at(".claude/skills/runcode"))).toEqual(["notes.md"]);
  });

  test("brings the file of an older release up to date", async () => {
    await run(["--agent", "claude"]);
    const now = await readFile(at(CLAUDES), "utf8");
    // What an older release would have written, with its own last line.
    const older = "---\nname: runcode\ndescription: older\n---\n";
    const stamp = new Bun.CryptoHasher("sha256").update(older).digest("hex");
    await writeFile(at(CLAUDES), `${older}${now.slice(now.lastIndexOf("\n<!--")).replace(/[0-9a-f]{64}/, stamp)}`);
    const written = await readFile(at(CLAUDES), "utf8");
    const reader = await open(at(CLAUDES));
    expect(await run(["--agent", "claude"])).toMatchObject({ changed: true });
    expect(await readFile(at(CLAUDES), "utf8")).toBe(now);
    // Replaced whole, not written over: who was reading it reads on.
    expect(await reader.readFile("utf8")).toBe(written);
    await reader.close();
    await run(["--remove"]);
    expect(await readdir(home.dir)).not.toContain(".claude");
  });

  test.each([
    ["a file of somebody else", async () => "---\nname: runcode\n---\nmine\n"],
    ["bytes that are no text", async () => "\u00ff\u00fe\u0000"],
    [
      "ours with a change",
      async () => {
        await run(["--agent", "claude"]);
        return (await readFile(at(CLAUDES), "latin1")).replace("# Working", "# My own way of working");
      },
    ],
  ])("refuses to replace %s, replaces it with --force, and --remove gives it back", async (_, content) => {
    const text = await content();
    await mkdir(path.dirname(at(CLAUDES)), { recursive: true });
    await writeFile(at(CLAUDES), Buffer.from(text, "latin1"));
    await chmod(at(CLAUDES), 0o640);
    const before = await picture();
    const refused = await start(["--agent", "claude", "--agent", "codex"]);
    expect([refused.exitCode, refused.json()]).toMatchObject([
      5,
      {
        error: "conflict",
        message: expect.stringContaining(at(CLAUDES)) as string,
        hint: expect.stringContaining("--force") as string,
      },
    ]);
    // The other agent's file was not written either.
    expect(await picture()).toEqual(before);
    const forced = await run(["--agent", "claude", "--force"]);
    expect(forced.skills).toEqual([
      { path: at(CLAUDES), agents: ["claude"], changed: true, backup: `${at(CLAUDES)}.before-runcode` },
    ]);
    await run(["--remove"]);
    expect(await picture()).toEqual(before);
  });

  test("--remove leaves another's file alone, and takes one that was changed with --force only", async () => {
    await run(["--agent", "codex"]);
    await mkdir(path.dirname(at(CLAUDES)), { recursive: true });
    await writeFile(at(CLAUDES), "mine");
    await writeFile(at(SHARED), `${await readFile(at(SHARED), "utf8")}more`);
    // Words after the last line make it another's; a change before it makes it one that was changed.
    expect(await run(["--remove"])).toMatchObject({ changed: false });
    await writeFile(at(SHARED), (await readFile(at(SHARED), "utf8")).replace(/more$/, "").replace("Begin", "Start"));
    const before = await picture();
    expect((await start(["--remove"])).json()).toMatchObject({ error: "conflict" });
    expect(await picture()).toEqual(before);
    expect(await run(["--remove", "--force"])).toMatchObject({ changed: true });
    expect(await readdir(home.dir)).not.toContain(".agents");
    expect(await readFile(at(CLAUDES), "utf8")).toBe("mine");
  });

  test("goes through symlinks and leaves them be", async () => {
    await mkdir(at("dotfiles/skills"), { recursive: true });
    await mkdir(at(".claude"));
    await symlink("../dotfiles/skills", at(".claude/skills"));
    // As people do who share one folder among agents.
    await mkdir(at(".agents"));
    await symlink(at("dotfiles/skills"), at(".agents/skills"));
    const before = await picture();
    await run();
    expect(await readdir(at("dotfiles/skills/runcode"))).toEqual(["SKILL.md"]);
    await run(["--remove"]);
    expect(await picture()).toEqual(before);
  });

  test("a link in place of the file is followed, and stays", async () => {
    await mkdir(path.dirname(at(CLAUDES)), { recursive: true });
    await symlink(at("real.md"), at(CLAUDES));
    const before = await picture();
    await run(["--agent", "claude"]);
    expect((await lstat(at(CLAUDES))).isSymbolicLink()).toBe(true);
    expect(await readFile(at("real.md"), "utf8")).toContain("name: runcode");
    await run(["--remove"]);
    expect(await picture()).toEqual(before);
  });

  test("honours CLAUDE_CONFIG_DIR, and finds Codex by CODEX_HOME", async () => {
    await mkdir(at("codex"));
    const env = { CLAUDE_CONFIG_DIR: at("elsewhere"), CODEX_HOME: at("codex") };
    expect((await run([], env)).skills).toMatchObject([{ path: at(SHARED), agents: ["codex"] }]);
    expect((await run(["--agent", "claude"], env)).skills).toMatchObject([
      { path: at("elsewhere/skills/runcode/SKILL.md") },
    ]);
    await run(["--remove"], env);
    expect((await readdir(home.dir)).filter((name) => ["elsewhere", ".agents"].includes(name))).toEqual([]);
  });

  test("--project writes into the directory it is called in, and nowhere else", async () => {
    await mkdir(at("work"));
    const before = await picture();
    const ran = await start(["--project", "--agent", "claude", "--agent", "gemini"], {}, at("work"));
    expect(ran.json<Answer>().skills.map((each) => each.path)).toEqual([at("work", CLAUDES), at("work", SHARED)]);
    expect(await readdir(home.dir)).not.toContain(".agents");
    expect((await start(["--project", "--remove"], {}, at("work"))).json()).toMatchObject({ changed: true });
    expect(await picture()).toEqual(before);
  });

  test("--dry-run and --print write nothing", async () => {
    await mkdir(at(".claude"));
    const before = await picture();
    expect(await run(["--dry-run"])).toMatchObject({ changed: true, dry_run: true });
    const { stdout } = await runProgram(["install-skill", "--print"], { env: home.env });
    expect(stdout).toBe(await readFile(SOURCE, "utf8"));
    expect(await picture()).toEqual(before);
  });

  test("where no agent is found it says which it knows", async () => {
    const ran = await start();
    expect([ran.exitCode, ran.json()]).toMatchObject([
      3,
      { error: "not_found", hint: expect.stringContaining("--agent claude|codex") as string },
    ]);
    const unknown = await start(["--agent", "clippy"]);
    expect([unknown.exitCode, unknown.json()]).toMatchObject([
      2,
      { error: "usage", message: expect.stringContaining("claude, codex") as string },
    ]);
  });

  test("where a file stands in the way of a folder, nothing is left behind", async () => {
    await mkdir(at(".claude"));
    await writeFile(at(".claude/skills"), "a file");
    const before = await picture();
    const ran = await start();
    expect([ran.exitCode, ran.json()]).toMatchObject([
      9,
      { error: "io", message: expect.stringContaining(at(".claude/skills")) as string },
    ]);
    expect(await picture()).toEqual(before);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "in a home that may not be written to it says so and changes nothing (needs root, to become somebody else)",
    async () => {
      await mkdir(at(".claude"));
      await chmod(home.dir, 0o755);
      await chmod(at(".claude"), 0o555);
      const program = at("runcode");
      await symlink(BINARY, program);
      const before = await picture();
      const argv = ["-u", "nobody", "--", "env", `HOME=${home.dir}`, BINARY, "install-skill", "--json"];
      const ran = await execa("/usr/sbin/runuser", argv, { env: home.env, extendEnv: false, reject: false });
      expect([ran.exitCode, JSON.parse(ran.stdout)]).toMatchObject([
        9,
        { error: "io", message: expect.stringMatching(/\.claude.*permission denied/) as string },
      ]);
      expect(await picture()).toEqual(before);
    },
  );
});
