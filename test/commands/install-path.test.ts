import { execa } from "execa";
import { copyFile, lstat, mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pathLines, shellOf, startFile } from "../../src/platform/shell-path.ts";
import installPath from "../../src/commands/install-path.ts";
import { BINARY, runProgram, testHome, testWith, type TestHome } from "../harness/index.ts";

let home: TestHome;
beforeEach(async () => {
  home = await testHome();
});
afterEach(() => home.remove());
const run = (words: string[], env: Record<string, string> = {}) =>
  runProgram(["install-path", "--json", ...words], { env: { ...home.env, SHELL: "/bin/bash", ...env } });
const DIR = path.dirname(BINARY);

describe("install-path", () => {
  test.each([
    ["bash", ".bashrc"],
    ["zsh", ".zshrc"],
    ["fish", ".config/fish/config.fish"],
    ["sh", ".profile"],
    ["dash", ".profile"],
  ])("writes for %s to %s, and takes all of it away again", async (shell, name) => {
    const file = path.join(home.dir, name);
    const before = ((await readdir(home.dir, { recursive: true })) as string[]).sort();
    const ran = await run([], { SHELL: `/usr/bin/${shell}` });
    expect(ran.json()).toMatchObject({ path: file, dir: DIR, changed: true });
    expect(await readFile(file, "utf8")).toContain(DIR);
    expect((await run([], { SHELL: `/usr/bin/${shell}` })).json()).toMatchObject({ changed: false });
    expect((await run(["--remove"], { SHELL: `/usr/bin/${shell}` })).json()).toMatchObject({ changed: true });
    expect(((await readdir(home.dir, { recursive: true })) as string[]).sort()).toEqual(before);
  });

  test.each([["PS1=x\n"], ["PS1=x"], [""], ["a\r\nb"], ["\n\n"]])(
    "gives %j back byte for byte, through a symlink",
    async (text) => {
      const real = path.join(home.dir, "dotfiles-bashrc");
      await writeFile(real, text, { mode: 0o600 });
      await symlink("dotfiles-bashrc", path.join(home.dir, ".bashrc"));
      await run([]);
      expect((await readFile(real, "utf8")).startsWith(text)).toBe(true);
      await run(["--remove"]);
      expect(await readFile(real, "utf8")).toBe(text);
      expect((await lstat(path.join(home.dir, ".bashrc"))).isSymbolicLink()).toBe(true);
      expect((await readdir(home.dir)).filter((name) => name.includes("before"))).toEqual([]);
    },
  );

  test("--dry-run writes nothing; damaged markers are refused with their line", async () => {
    expect((await run(["--dry-run"])).json()).toMatchObject({ changed: true, dry_run: true });
    expect((await readdir(home.dir)).includes(".bashrc")).toBe(false);
    await writeFile(path.join(home.dir, ".bashrc"), "x\n# <<< runcode install-path <<<\n");
    const ran = await run([]);
    expect([ran.exitCode, ran.json()]).toMatchObject([
      9,
      { error: "config_invalid", message: expect.stringContaining(".bashrc:2:") as string },
    ]);
  });

  test("a real bash then finds the program, once, however often it starts a bash inside", async () => {
    await run([]);
    const { stdout } = await execa(
      "bash",
      ["--rcfile", path.join(home.dir, ".bashrc"), "-ic", "bash --rcfile ~/.bashrc -ic 'type -P runcode; echo $PATH'"],
      {
        env: { HOME: home.dir, PATH: "/usr/bin:/bin" },
        extendEnv: false,
        stderr: "ignore",
      },
    );
    expect(stdout.split("\n")).toEqual([BINARY, `${DIR}:/usr/bin:/bin`]);
  });

  test.each([["sh"], ["bash"]] as const)("what it writes for %s survives a strange folder", (shell) =>
    inStrangeFolder(shell),
  );
  testWith("zsh")("what it writes for zsh survives a strange folder", () => inStrangeFolder("zsh"));
  testWith("fish")("what it writes for fish survives a strange folder", () => inStrangeFolder("fish"));

  async function inStrangeFolder(shell: "sh" | "bash" | "zsh" | "fish"): Promise<void> {
    const dir = path.join(home.dir, `a 'b" $(c) \\d`);
    await mkdir(dir);
    await copyFile("/bin/true", path.join(dir, "found-it"));
    const line = [...pathLines(shell, dir), "command -v found-it"].join("\n");
    const { stdout } = await execa(shell, ["-c", line], { env: { PATH: "/usr/bin:/bin" }, extendEnv: false });
    expect(stdout).toBe(path.join(dir, "found-it"));
  }
});

describe("which file", () => {
  test("zsh's is where ZDOTDIR says, fish's where XDG_CONFIG_HOME says", async () => {
    const place = { env: { ZDOTDIR: "/z", XDG_CONFIG_HOME: "/x" }, home: home.dir, platform: "linux" as const };
    expect(await startFile("zsh", place)).toBe("/z/.zshrc");
    expect(await startFile("fish", place)).toBe("/x/fish/config.fish");
  });

  test("on macOS bash's is its login file, the one that is there", async () => {
    const place = { env: {}, home: home.dir, platform: "darwin" as const };
    expect(await startFile("bash", place)).toBe(path.join(home.dir, ".bash_profile"));
    await writeFile(path.join(home.dir, ".profile"), "");
    expect(await startFile("bash", place)).toBe(path.join(home.dir, ".profile"));
  });

  test("an unknown shell is taken for sh, and a folder with a colon is refused", () => {
    expect([shellOf({ SHELL: "/bin/tcsh" }), shellOf({})]).toEqual(["sh", "sh"]);
    expect(() => pathLines("sh", "/a:b")).toThrow(expect.objectContaining({ code: "config_invalid" }));
  });

  test("on Windows it says what to type, and quotes the folder for PowerShell", async () => {
    const context = {
      env: {},
      platform: "win32",
      paths: { home: "C:\\Users\\a" },
      self: ["C:\\it's here\\runcode.exe"],
      out: {},
    };
    const result = await installPath.run(
      { remove: false, shell: undefined, dryRun: false, rest: [] } as never,
      context as never,
    );
    expect(result?.json).toMatchObject({
      dir: "C:\\it's here",
      changed: false,
      command: expect.stringContaining("'C:\\it''s here'") as string,
    });
  });
});

testWith("zsh")("a real zsh finds the program", async () => {
  await run([], { SHELL: "/bin/zsh" });
  const { stdout } = await execa("zsh", ["-ic", "whence -p runcode"], {
    env: { HOME: home.dir, PATH: "/usr/bin:/bin" },
    extendEnv: false,
    stderr: "ignore",
  });
  expect(stdout).toBe(BINARY);
});

testWith("fish")("a real fish finds the program", async () => {
  await run([], { SHELL: "/usr/bin/fish" });
  const { stdout } = await execa("fish", ["-c", "command -s runcode"], {
    env: { ...home.env, PATH: "/usr/bin:/bin" },
    extendEnv: false,
  });
  expect(stdout).toBe(BINARY);
});
