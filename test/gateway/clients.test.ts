// What people bring along: scp in both its protocols, sftp, rsync and git, unchanged and unconfigured.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testWith } from "../harness/index.ts";
import { noise, sha256, world } from "./fixture.ts";
import type { World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

/** A directory with what transfers get wrong: an empty file, odd names, a link, modes, an old time. */
function tree(name: string): string {
  const dir = path.join(w.dir, name);
  mkdirSync(path.join(dir, "deep/er"), { recursive: true });
  writeFileSync(path.join(dir, "empty"), "");
  writeFileSync(path.join(dir, "two words"), "2");
  writeFileSync(path.join(dir, "-dash"), "-");
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/latin-`), Buffer.from([0xe9])]), "é");
  writeFileSync(path.join(dir, "deep/er/script"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("two words", path.join(dir, "link"));
  utimesSync(path.join(dir, "empty"), 1_000_000_000, 1_000_000_000);
  noise(path.join(dir, "deep/noise"), 3_000_001);
  return dir;
}

/** Every name (as bytes), kind, mode and content below a directory. */
function contents(dir: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const walk = (at: Buffer, shown: string): void => {
    for (const name of readdirSync(at, { encoding: "buffer" })) {
      const file = Buffer.concat([at, Buffer.from("/"), name]);
      const label = `${shown}/${name.toString("latin1")}`;
      const stats = lstatSync(file);
      if (stats.isDirectory()) walk(file, label);
      else if (stats.isSymbolicLink()) found[label] = readlinkSync(file);
      else found[label] = [(stats.mode & 0o777).toString(8), sha256(readFileSync(file))];
    }
  };
  walk(Buffer.from(dir), "");
  return found;
}

describe("scp", () => {
  test.each([
    ["over sftp", []],
    ["in its old protocol", ["-O"]],
  ])("%s carries files and directories both ways", async (name, flags) => {
    const source = tree(`scp${flags.length}`);
    const there = `there${flags.length}`;
    expect((await w.client("scp", [...flags, "-rp", source, `w:${there}`])).exitCode, name).toBe(0);
    const back = path.join(w.dir, `back${flags.length}`);
    expect((await w.client("scp", [...flags, "-rp", `w:${there}`, back])).exitCode, name).toBe(0);
    // scp follows links; the rest must be the same.
    const { "/link": _, ...rest } = contents(back);
    const { "/link": __, ...wanted } = contents(source);
    expect(rest).toEqual(wanted);
    expect(statSync(path.join(back, "empty")).mtimeMs).toBe(1_000_000_000_000);
  });

  test("64 MiB arrive unchanged both ways", async () => {
    const { file, sha256: sum } = noise(path.join(w.dir, "noise"), 64 * 1024 * 1024);
    await w.client("scp", [file, "w:noise"]);
    expect(sha256(readFileSync(path.join(w.sandbox.home, "noise")))).toBe(sum);
    await w.client("scp", ["w:noise", `${file}.back`]);
    expect(sha256(readFileSync(`${file}.back`))).toBe(sum);
  });
});

describe("sftp", () => {
  /** Runs a batch; a line that begins with `-` may fail. */
  const batch = (...lines: string[]): ReturnType<World["client"]> =>
    w.client("sftp", ["-b", "-", "w"], { input: lines.map((line) => `${line}\n`).join("") });

  test("does all that a batch can ask for", async () => {
    const file = path.join(w.dir, "plain");
    writeFileSync(file, "plain text");
    const { exitCode, stdout, stderr } = await batch(
      "mkdir box",
      "cd box",
      `put ${file} one`,
      "chmod 640 one",
      "rename one two",
      "symlink two link",
      "ln two hard",
      "copy two copied",
      "ls -l",
      "pwd",
      "df",
      `get hard ${file}.back`,
      "rm hard",
      "mkdir sub",
      "rmdir sub",
    );
    expect([exitCode, stderr]).toEqual([0, ""]);
    const home = w.sandbox.home;
    expect(String(stdout)).toContain(`Remote working directory: ${home}/box`);
    expect(String(stdout)).toMatch(/-rw-r----- .* 10 \w{3} +\d+ \d\d:\d\d two/);
    expect(readdirSync(path.join(home, "box")).sort()).toEqual(["copied", "link", "two"]);
    expect(readlinkSync(path.join(home, "box/link"))).toBe("two");
    expect(readFileSync(path.join(home, "box/copied"), "utf8")).toBe("plain text");
    expect(readFileSync(`${file}.back`, "utf8")).toBe("plain text");
  });

  test("continues a transfer that was cut short", async () => {
    const { file } = noise(path.join(w.dir, "resume"), 5_000_000);
    writeFileSync(path.join(w.sandbox.home, "resume"), readFileSync(file).subarray(0, 1_234_567));
    expect((await batch(`reput ${file} resume`)).exitCode).toBe(0);
    expect(readFileSync(path.join(w.sandbox.home, "resume")).equals(readFileSync(file))).toBe(true);
  });

  test("says what is wrong in the words of the protocol, and goes on", async () => {
    const { stderr, stdout, exitCode } = await batch("-get nothing", "-mkdir /proc/no", "-rmdir /tmp", "pwd");
    expect(String(stderr)).toContain("not found");
    expect([exitCode, String(stdout).includes("Remote working directory")]).toEqual([0, true]);
  });

  test("lists ten thousand files", async () => {
    const dir = path.join(w.sandbox.home, "many");
    mkdirSync(dir);
    for (let index = 0; index < 10_000; index++) writeFileSync(path.join(dir, `f${index}`), "");
    const { stdout } = await batch("ls -1 many");
    expect(
      String(stdout)
        .split("\n")
        .filter((line) => line.startsWith("many/f")),
    ).toHaveLength(10_000);
  });
});

testWith("rsync")("rsync -a carries a tree both ways, and the second time nothing", async () => {
  const source = tree("rsync");
  const shell = `ssh -F ${w.key().config}`;
  const rsync = async (...words: string[]): Promise<string> =>
    (await execa("rsync", ["-ai", "-e", shell, ...words])).stdout;
  await rsync(`${source}/`, "w:mirror/");
  await rsync("w:mirror/", path.join(w.dir, "mirror/"));
  expect(contents(path.join(w.dir, "mirror"))).toEqual(contents(source));
  expect(await rsync(`${source}/`, "w:mirror/")).toBe("");
});

testWith("git")("git clones, pushes and fetches", async () => {
  const env = {
    GIT_SSH_COMMAND: `ssh -F ${w.key().config}`,
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.com",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.com",
  };
  const git = (cwd: string, ...words: string[]): Promise<{ stdout: string }> => execa("git", words, { cwd, env });
  await w.ssh(["git init -q --bare -b main repo.git"]);
  const work = path.join(w.dir, "work");
  await git(w.dir, "clone", "-q", "w:repo.git", work);
  noise(path.join(work, "blob"), 2_000_000);
  await git(work, "add", "-A");
  await git(work, "commit", "-qm", "one");
  await git(work, "push", "-q", "origin", "HEAD:main");
  await git(w.dir, "clone", "-q", "w:repo.git", `${work}2`);
  expect(contents(`${work}2`)["/blob"]).toEqual(contents(work)["/blob"]);
  expect(existsSync(path.join(`${work}2`, ".git"))).toBe(true);
});
