// What is left when a transfer fails: nothing under the final name that was not there before, and no temporary name on
// either side. Each test makes the failure happen in earnest.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { askMaster } from "../../src/ssh/mux.ts";
import { spawnScript } from "../../src/ssh/remote-process.ts";
import { localPart } from "../../src/ssh/transfer/local-part.ts";
import { putFile } from "../../src/ssh/transfer/put-file.ts";
import { putTree } from "../../src/ssh/transfer/put-tree.ts";
import { remotePath } from "../../src/ssh/transfer/remote-path.ts";
import { openFile } from "../../src/ssh/transfer/source.ts";
import type { SshTarget } from "../../src/ssh/target.ts";
import { newKey } from "../../src/ssh/transfer/trailer.ts";
import { checkDocuments } from "../harness/index.ts";
import { ended, leftovers, place, until, type Place } from "./fixture.ts";

let p: Place;
const fresh = async (): Promise<void> => {
  p = await place();
};
beforeAll(fresh);
afterAll(() => p.close());
beforeEach(() => {
  for (const root of [p.here, p.there]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
});
const here = (name: string): string => path.join(p.here, name);
const there = (name: string): string => path.join(p.there, name);
const GIB = 1024 ** 3;
const sparse = (file: string, size: number): void => {
  writeFileSync(file, "");
  truncateSync(file, size);
};

/** What the functions below src/ssh are given; the master is the client's own. */
async function target(): Promise<SshTarget> {
  const facts = (await p.ok(["connect", "files", "--json"])).json<Record<string, string | number>>();
  return { ...(facts as unknown as SshTarget), controlPath: null };
}

describe("a transfer that is interrupted", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s while it puts ends with %i and leaves nothing", async (signal, code) => {
    writeFileSync(there("f"), "old");
    const child = p.start(["put", "-", "f"]);
    const done = ended(child);
    child.stdin.write(Buffer.alloc(100_000));
    await until(() => leftovers(p.there).length > 0);
    child.kill(signal);
    expect((await done).code).toBe(code);
    await until(() => leftovers(p.there).length === 0);
    expect(readFileSync(there("f"), "utf8")).toBe("old");
  });

  test("by SIGKILL while it puts leaves nothing on the workspace", async () => {
    const child = p.start(["put", "-", "f"]);
    const done = ended(child);
    child.stdin.write(Buffer.alloc(100_000));
    await until(() => leftovers(p.there).length > 0);
    child.kill("SIGKILL");
    await done;
    await until(() => leftovers(p.there).length === 0);
    expect(existsSync(there("f"))).toBe(false);
  });

  test("by SIGINT while it puts a tree leaves nothing on the workspace", async () => {
    mkdirSync(here("src"));
    sparse(here("src/big"), 4 * GIB);
    const child = p.start(["put", "-r", "src", "t"]);
    const done = ended(child);
    await until(() => leftovers(p.there).length > 0);
    child.kill("SIGINT");
    expect((await done).code).toBe(130);
    await until(() => leftovers(p.there).length === 0);
    expect(existsSync(there("t"))).toBe(false);
  });

  test.each([
    ["a file", ["get", "big", "--out", "f"]],
    ["a tree", ["get", "-r", ".", "--out", "f"]],
  ])("by SIGINT while it gets %s leaves nothing here", async (_, words) => {
    sparse(there("big"), 4 * GIB);
    const child = p.start(words);
    const done = ended(child);
    await until(() => leftovers(p.here).length > 0);
    child.kill("SIGINT");
    expect((await done).code).toBe(130);
    expect([leftovers(p.here), existsSync(here("f"))]).toEqual([[], false]);
  });

  test.each([
    ["a file", ["get", "big", "--out", "f"], ["get", "small", "--out", "f"]],
    ["a tree", ["get", "-r", ".", "--out", "f"], ["get", "-r", "dir", "--out", "f"]],
  ])(
    "by SIGKILL while it gets %s is cleared away by the next one, and nobody else's part is",
    async (_, words, next) => {
      const cache = path.join(p.bench.home.dir, ".cache", "runcode");
      sparse(there("big"), 2 * GIB);
      const child = p.start(words);
      const done = ended(child);
      const [dead] = await until(() => leftovers(p.here).length > 0 && leftovers(p.here));
      child.kill("SIGKILL");
      expect((await done).code).toBe(null);
      expect(leftovers(p.here)).toEqual([dead]);

      const running = await localPart(p.here, newKey(), cache);
      writeFileSync(here(running.name), "of one that is still at work");
      writeFileSync(here(".runcode-0123456789abcdef.part"), "of another machine that has this directory too");
      writeFileSync(there("small"), "small");
      mkdirSync(there("dir"));
      await p.ok(next);
      expect(leftovers(p.here).toSorted()).toEqual(
        [here(".runcode-0123456789abcdef.part"), here(running.name)].toSorted(),
      );
      running.release();
      expect(readdirSync(path.join(cache, "parts"))).toEqual([]);
    },
  );
});

test("a script that is ended over a master that has nothing else to do ends at once, not with the next keep-alive", async () => {
  const facts = await target();
  const [config, controlPath] = [path.join(p.bench.home.dir, "quiet"), path.join(p.bench.home.dir, "m")];
  const text = readFileSync(facts.config, "utf8");
  writeFileSync(
    config,
    text.replace(/^(\s*ServerAliveInterval) .*$/m, "$1 0").replace(/^(\s*ControlPath) .*$/m, `$1 ${controlPath}`),
  );
  execFileSync("ssh", ["-F", config, "-M", "-N", "-f", facts.alias], { stdio: "ignore" });
  try {
    // It is a race which of two packets a master sends first; one that lost it would wait here for ever.
    for (let round = 0; round < 12; round++) {
      const stop = new AbortController();
      const streams = { stdin: true, signal: stop.signal };
      const remote = spawnScript({ ...facts, config, controlPath }, "echo up; cat", [], streams);
      for await (const chunk of remote.stdout) if (chunk.length > 0) break;
      stop.abort();
      await remote.ended;
    }
  } finally {
    expect(await askMaster(controlPath, "terminate")).toBe(true);
  }
});

describe("a gateway that is killed", () => {
  // Each takes its server with it.
  afterEach(async () => {
    await p.close();
    await fresh();
  });
  const kill = (): void => void process.kill(p.bench.server.facts.pid, "SIGKILL");

  test("while a file is put leaves nothing under its name, and the answer says how far it came", async () => {
    writeFileSync(there("f"), "old");
    const child = p.start(["put", "-", "f", "--json"]);
    const done = ended(child);
    child.stdin.on("error", () => {});
    child.stdin.write(Buffer.alloc(100_000));
    await until(() => leftovers(p.there).length > 0);
    kill();
    child.stdin.end();
    const { code, stdout } = await done;
    checkDocuments(["put", "--json"], { stdout, exitCode: code ?? -1 });
    expect([code, JSON.parse(stdout)]).toMatchObject([6, { error: "ssh_failed", phase: "remote" }]);
    await until(() => leftovers(p.there).length === 0);
    expect(readFileSync(there("f"), "utf8")).toBe("old");
  });

  test.each([
    ["a file", ["get", "big", "--out", "f", "--json"]],
    ["a tree", ["get", "-r", ".", "--out", "f", "--json"]],
  ])("while %s is got leaves nothing here", async (_, words) => {
    sparse(there("big"), 4 * GIB);
    const child = p.start(words);
    const done = ended(child);
    await until(() => leftovers(p.here).length > 0);
    kill();
    const { code, stdout } = await done;
    checkDocuments(words, { stdout, exitCode: code ?? -1 });
    expect([code, JSON.parse(stdout)]).toMatchObject([6, { error: "ssh_failed", phase: "remote" }]);
    expect([leftovers(p.here), existsSync(here("f"))]).toEqual([[], false]);
  });
});

describe("a source that changes while it is read", () => {
  const signal = new AbortController().signal;

  test("as a file is refused, and what was there stays", async () => {
    writeFileSync(there("f"), "old");
    writeFileSync(here("f"), Buffer.alloc(2_000_000));
    const opened = openFile(here("f"));
    if (!opened) throw new Error("a directory");
    let once = true;
    const putting = putFile(await target(), opened.source, remotePath("f"), {
      signal,
      onProgress: () => {
        if (once) appendFileSync(here("f"), "more");
        once = false;
      },
    });
    await expect(putting).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("changed while it was being read"),
    });
    opened.close();
    expect([readFileSync(there("f"), "utf8"), leftovers(p.there)]).toEqual(["old", []]);
  });

  test.each<[string, () => void, string]>([
    ["grows", () => appendFileSync(here("src/b"), "more"), "io"],
    ["shrinks", () => truncateSync(here("src/b"), 10), "io"],
    ["vanishes", () => rmSync(here("src/b")), "not_found"],
  ])("as a file of a tree that %s is refused whole", async (_, change, code) => {
    mkdirSync(here("src"));
    for (const name of ["a", "b"]) writeFileSync(here(`src/${name}`), Buffer.alloc(600_000));
    let once = true;
    const putting = putTree(
      await target(),
      [{ name: Buffer.alloc(0), path: Buffer.from(here("src")) }],
      remotePath("t"),
      {
        signal,
        keep: false,
        onSkip: () => {},
        // Called after the directory, before the first file: which of the two comes first is the file system's affair, so both are at risk.
        onProgress: () => {
          if (once) for (const act of [change, () => appendFileSync(here("src/a"), "x")]) act();
          once = false;
        },
      },
    );
    const outcome = await putting.then(
      () => null,
      (error: unknown) => error,
    );
    // What changed before it was looked at is simply what it is then.
    if (outcome !== null) expect(["io", code]).toContain((outcome as { code: string }).code);
    expect(leftovers(p.there)).toEqual([]);
    if (outcome !== null) expect(existsSync(there("t"))).toBe(false);
  });
});

/** A file system of two megabytes, or the reason why there is none. */
const smallDisk = ((): string | null => {
  if (process.getuid?.() !== 0) return "needs root, to mount a file system of two megabytes";
  try {
    const probe = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", probe], { stdio: "ignore" });
      execFileSync("umount", [probe]);
      return null;
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
  } catch {
    return "needs to be allowed to mount a file system of two megabytes";
  }
})();
const describeSmall = smallDisk === null ? describe : describe.skip;

describeSmall(`a full disk${smallDisk ? ` (${smallDisk})` : ""}`, () => {
  let disk: string;
  beforeEach(() => {
    disk = path.join(p.bench.home.dir, "disk");
    mkdirSync(disk, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
    writeFileSync(path.join(disk, "f"), "old");
    writeFileSync(here("big"), Buffer.alloc(8_000_000, 7));
    mkdirSync(here("src"));
    for (let i = 0; i < 8; i++) writeFileSync(here(`src/${i}`), Buffer.alloc(1_000_000, i));
  });
  afterEach(() => void execFileSync("umount", [disk]));
  const intact = (): void => {
    expect([readFileSync(path.join(disk, "f"), "utf8"), leftovers(disk)]).toEqual(["old", []]);
    expect(statfsSync(disk).bavail).toBeGreaterThan(400);
  };

  test.each([
    ["put", (d: string) => ["put", "big", `${d}/f`]],
    ["put -r", (d: string) => ["put", "-r", "src", `${d}/t`]],
    ["write --append", (d: string) => ["write", `${d}/f`, "--append", "--file", "big"]],
    ["get", (d: string) => ["get", "big", "--out", `${d}/f`]],
    ["get -r", (d: string) => ["get", "-r", "src", "--out", `${d}/t`]],
  ])("ends %s with io, says so, and leaves what was there", async (_, words) => {
    for (const name of ["big", "src"]) await p.ok(["put", "-r", name, name]);
    const ran = await p.run([...words(disk), "--json"]);
    expect(ran.json()).toMatchObject({ error: "io", message: expect.stringMatching(/no space/) });
    expect(ran.exitCode).toBe(9);
    intact();
    expect(existsSync(path.join(disk, "t"))).toBe(false);
  });
});

describe("a place that may not be written to", () => {
  test("ends each direction with io and says so", async () => {
    // Root may write anywhere but into what is no real directory.
    const closed = process.getuid?.() === 0 ? "/proc" : here("closed");
    if (closed !== "/proc") {
      mkdirSync(closed);
      chmodSync(closed, 0o555);
    }
    writeFileSync(here("f"), "f");
    await p.ok(["put", "f", "f"]);
    for (const words of [
      ["put", "f", `${closed}/f`],
      ["get", "f", "--out", `${closed}/f`],
    ]) {
      const ran = await p.run([...words, "--json"]);
      expect(ran.json()).toMatchObject({ error: "io" });
      expect(ran.exitCode).toBe(9);
    }
  });
});

describe("a workspace without the usual programs", () => {
  test("whose start-up files print on every connection is served all the same", async () => {
    const profile = (await p.ok(["exec", "--home", "--", "pwd -P"])).stdout.trim();
    writeFileSync(path.join(profile, ".bashrc"), "echo welcome; printf 'no line end'\n");
    writeFileSync(here("f"), "content");
    await p.ok(["put", "f", "f"]);
    await p.ok(["get", "f", "--out", "g"]);
    expect(readFileSync(here("g"), "utf8")).toBe("content");
    await p.ok(["get", "-r", ".", "--out", "t"]);
    rmSync(path.join(profile, ".bashrc"));
    expect(readFileSync(here("t/f"), "utf8")).toBe("content");
  });
});
