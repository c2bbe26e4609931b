// `runcode upgrade`: the built program, placed as each installer places it, against releases served on loopback.
import { chmod, mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BINARY, checkDocuments, copyProgram, describeWith, testHome, type TestHome } from "../harness/index.ts";
import { KINDS, installer, type Kind } from "../install/installer.ts";
import { answering, packed, testRelease, type TestRelease } from "../install/release.ts";

const NEXT = "99.0.0";
let served: string;
let release: TestRelease;
beforeAll(async () => {
  served = await mkdtemp(path.join(os.tmpdir(), "rc-release-"));
  release = await testRelease(served, { program: answering(NEXT), version: NEXT });
});
afterAll(async () => {
  await release.close();
  await rm(served, { recursive: true });
});

let home: TestHome;
let prefix: string;
beforeEach(async () => {
  home = await testHome();
  prefix = path.join(await realpath(home.dir), "prefix");
});
afterEach(async () => {
  release.mend();
  await home.remove();
});

/** Puts the built program into a folder; gives its path. */
async function placed(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  await copyProgram(BINARY, path.join(dir, "runcode"));
  return path.join(dir, "runcode");
}

/** As install.sh leaves it. */
async function byScript(target = "linux_x64"): Promise<string> {
  await mkdir(path.join(prefix, "share/runcode"), { recursive: true });
  await writeFile(path.join(prefix, "share/runcode/install.json"), JSON.stringify({ method: "script", target }));
  return placed(path.join(prefix, "bin"));
}

interface Ended {
  readonly exitCode: number | undefined;
  readonly document: Record<string, unknown>;
}

const startUpgrade = (program: string, words: readonly string[], env: Record<string, string> = {}) =>
  execa(program, ["upgrade", "--json", ...words], {
    extendEnv: false,
    env: { ...home.env, RUNCODE_DOWNLOAD_BASE: release.base, ...env },
    reject: false,
    stripFinalNewline: false,
    stdin: "ignore",
    timeout: 120_000,
  });

async function upgrade(
  program: string,
  words: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Ended> {
  const { exitCode, stdout } = await startUpgrade(program, words, env);
  checkDocuments(["upgrade", "--json", ...words], { stdout, exitCode: exitCode ?? -1 });
  return { exitCode, document: JSON.parse(stdout) as Record<string, unknown> };
}

const versionOf = async (program: string): Promise<string> => (await execa(program, ["--version"])).stdout;

/** That the old program stands as it was, alone, and that the cache holds no download. */
async function expectOld(program: string, inode: number): Promise<void> {
  expect((await stat(program)).ino).toBe(inode);
  expect(await readdir(path.dirname(program))).toEqual(["runcode"]);
  const cache = await readdir(path.join(home.dir, ".cache/runcode")).catch(() => []);
  expect(cache.filter((name) => name.startsWith("upgrade-"))).toEqual([]);
}

describe("a runcode that the script installed", () => {
  test("is replaced by the latest, keeps its mode, and leaves nothing else behind", async () => {
    const program = await byScript();
    await chmod(program, 0o751);
    const { exitCode, document } = await upgrade(program);
    expect(document).toMatchObject({ latest: NEXT, newer: true, method: "script", upgraded: true });
    expect(exitCode).toBe(0);
    expect(await versionOf(program)).toBe(NEXT);
    expect((await stat(program)).mode & 0o777).toBe(0o751);
    await expectOld(program, (await stat(program)).ino);
  });

  test("takes the build that its receipt names", async () => {
    release.requests.length = 0;
    expect((await upgrade(await byScript("linux_arm64-musl"))).exitCode).toBe(0);
    expect(release.requests.at(-1)).toBe(`/download/v${NEXT}/runcode_linux_arm64-musl.tar.gz`);
  });

  test("goes to the version that was asked for without asking for the latest", async () => {
    const program = await byScript();
    release.requests.length = 0;
    expect((await upgrade(program, ["--version", `v${NEXT}`])).document).toMatchObject({ upgraded: true });
    expect(release.requests.some((request) => request.includes("latest"))).toBe(false);
  });

  test("only tells with --check", async () => {
    const program = await byScript();
    const { ino } = await stat(program);
    const { exitCode, document } = await upgrade(program, ["--check"]);
    expect(document).toEqual({
      current: await versionOf(program),
      latest: NEXT,
      newer: true,
      method: "script",
      upgraded: false,
      command: "runcode upgrade",
    });
    expect(exitCode).toBe(0);
    await expectOld(program, ino);
  });

  test("is left alone when nothing newer is out", async () => {
    const program = await byScript();
    const { ino } = await stat(program);
    for (const latest of [await versionOf(program), "0.0.1"]) {
      release.replace("version.txt", `${latest}\n`);
      expect((await upgrade(program)).document).toMatchObject({ newer: false, upgraded: false });
    }
    await expectOld(program, ino);
  });

  test("stays when the archive is not what the checksums say, is missing, or is not named by them", async () => {
    const program = await byScript();
    const { ino } = await stat(program);
    const archive = "runcode_linux_x64.tar.gz";
    release.replace(archive, release.bytes(archive).subarray(0, 50_000));
    expect(await upgrade(program)).toMatchObject({ exitCode: 5, document: { error: "upgrade_failed" } });
    release.replace(archive, null);
    expect(await upgrade(program)).toMatchObject({ exitCode: 3, document: { error: "not_found" } });
    release.replace("checksums.txt", `${"0".repeat(64)}  another.tar.gz\n`);
    expect(await upgrade(program)).toMatchObject({ exitCode: 5, document: { error: "upgrade_failed" } });
    await expectOld(program, ino);
  });

  test.each([
    ["does not start", "\u007fELF nothing"],
    ["says another version", answering("98.0.0")],
    ["works beside its place but not in it", `#!/bin/sh\ncase $0 in */runcode) exit 1 ;; esac\necho ${NEXT}\n`],
  ])("comes back when the new program %s", async (_, text) => {
    const program = await byScript();
    const { ino } = await stat(program);
    const dir = path.join(home.dir, "odd");
    await mkdir(dir);
    await writeFile(path.join(dir, "runcode"), text, { mode: 0o755 });
    release.publish("runcode_linux_x64.tar.gz", await packed(dir, ["runcode"]));
    const { exitCode, document } = await upgrade(program);
    expect(document).toMatchObject({ error: "upgrade_failed", hint: "the old one was kept" });
    expect(exitCode).toBe(5);
    await expectOld(program, ino);
  });

  test("stays when the upgrade is interrupted half-way", async () => {
    const program = await byScript();
    const { ino } = await stat(program);
    const { half, gone } = release.stall("runcode_linux_x64.tar.gz");
    const running = startUpgrade(program, []);
    await half;
    running.kill("SIGINT");
    expect((await running).exitCode).toBe(130);
    await gone;
    await expectOld(program, ino);
  });

  test("goes on running while it is replaced", async () => {
    const program = await byScript();
    // It waits for a token on its stdin.
    const old = Bun.spawn([program, "login", "--with-token", "--json"], {
      env: home.env,
      stdin: "pipe",
      stdout: "pipe",
    });
    expect((await upgrade(program)).exitCode).toBe(0);
    expect(old.exitCode).toBe(null);
    await old.stdin.end();
    expect(await new Response(old.stdout).json()).toHaveProperty("error");
    await old.exited;
  });

  test("asks only over https, beyond this machine", async () => {
    const program = await byScript();
    const base = "http://mirror.example.org";
    expect(await upgrade(program, [], { RUNCODE_DOWNLOAD_BASE: base })).toMatchObject({
      exitCode: 8,
      document: { error: "insecure_base" },
    });
    release.redirect("version.txt", `${base}/version.txt`);
    expect(await upgrade(program)).toMatchObject({ exitCode: 8, document: { error: "insecure_base" } });
  });

  test.each(["latest", "1.0", "../1.0.0", "1.0.0/x"])("refuses the version %s", async (version) => {
    expect(await upgrade(BINARY, ["--version", version])).toMatchObject({ exitCode: 2, document: { error: "usage" } });
  });
});

describe("a runcode that somebody else looks after is left to them", () => {
  test.each([
    ["homebrew", "Cellar/runcode/0.1.0/bin", "brew upgrade runcode"],
    ["npm", "lib/node_modules/runcode-linux-x64/bin", "npm install -g runcode@latest"],
    ["unknown", "somewhere", undefined],
  ])("%s", async (method, where, command) => {
    const program = await placed(path.join(prefix, where));
    const { ino } = await stat(program);
    const checked = await upgrade(program, ["--check"]);
    expect(checked.document).toMatchObject({ method, newer: true, ...(command ? { command } : {}) });
    const refused = await upgrade(program);
    expect(refused).toMatchObject({
      exitCode: 5,
      document: { error: "conflict", ...(command ? { hint: command } : {}) },
    });
    await expectOld(program, ino);
  });

  test("source", async () => {
    expect((await upgrade(BINARY, ["--check"])).document).toMatchObject({ method: "source" });
  });
});

describeWith("dash", "curl")("install.sh and upgrade", () => {
  test("understand each other: what the one placed, the other replaces", async () => {
    const built = await testRelease(served);
    try {
      const here = await installer(home.dir, built.base, KINDS[0] as Kind);
      expect((await here.start(["--prefix", prefix])).exitCode).toBe(0);
    } finally {
      await built.close();
    }
    const program = path.join(prefix, "bin/runcode");
    expect(await versionOf(program)).not.toBe(NEXT);
    expect((await upgrade(program)).document).toMatchObject({ method: "script", upgraded: true });
    expect(await readFile(program, "utf8")).toBe(answering(NEXT));
  });
});
