// Files between this machine and the workspace by the tools, and the bounds on this side: who asks is a model.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readFile, readlink, realpath, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Progress } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench, type Bench } from "../commands/workspace.ts";
import { which } from "../harness/index.ts";
import { agent, desk, type Agent, type Desk } from "./fixture.ts";

let home: Bench;
let seat: Agent;
let close: Desk["close"];
/** Where the server was started. */
let here: string;
let project: string;
beforeAll(async () => {
  ({ home, seat, project, close } = await desk());
  here = await realpath(path.join(home.home.dir, "project"));
  await mkdir(path.join(here, "tree/sub"), { recursive: true });
  await writeFile(path.join(here, "tree/a"), "a\n");
  await writeFile(path.join(here, "tree/sub/b"), "b\n");
  await symlink("a", path.join(here, "tree/link"));
  await writeFile(path.join(home.home.dir, "outside"), "secret\n");
});
afterAll(() => close());

const there = (...parts: string[]): string => path.join(project, ...parts);
const local = (...parts: string[]): string => path.join(here, ...parts);

describe("put", () => {
  test("takes a file by a relative and by a whole path", async () => {
    expect(await seat.ok("put", { local_paths: ["tree/a"], path: "put/one" })).toMatchObject({
      workspace: "desk",
      files: 1,
      bytes: 2,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    await seat.ok("put", { local_paths: [local("tree/sub/b")], path: "put/dir/" });
    expect(await readFile(there("put/one"), "utf8")).toBe("a\n");
    expect(await readFile(there("put/dir/b"), "utf8")).toBe("b\n");
  });

  test("takes trees with their links, and several at once", async () => {
    expect(await seat.ok("put", { local_paths: ["tree"], path: "put/tree", recursive: true })).toMatchObject({
      files: 2,
    });
    expect(await readlink(there("put/tree/link"))).toBe("a");
    await seat.ok("put", { local_paths: ["tree/a", "tree/sub"], path: "put/both", recursive: true });
    expect(await readFile(there("put/both/sub/b"), "utf8")).toBe("b\n");
  });

  test("replaces nothing where that is asked for", async () => {
    await seat.ok("put", { local_paths: ["tree/a"], path: "put/kept" });
    const again = { local_paths: ["tree/sub/b"], path: "put/kept", no_clobber: true };
    expect(await seat.fails("put", again)).toMatchObject({ error: "conflict" });
    expect(await readFile(there("put/kept"), "utf8")).toBe("a\n");
  });

  test.each([
    ["what is not there", { local_paths: ["none"], path: "x" }, "not_found"],
    ["a directory without recursive", { local_paths: ["tree"], path: "x" }, "usage"],
    ["no path at all", { local_paths: [], path: "x" }, "usage"],
    ["standard input, which is the client's", { local_paths: ["-"], path: "x" }, "not_found"],
  ])("%s is a failure", async (_, args, error) => {
    expect(await seat.fails("put", args)).toMatchObject({ error });
  });

  test("tells how far it is", async () => {
    const size = 6 * 1024 * 1024;
    await writeFile(local("large"), Buffer.alloc(size, "x"));
    const heard: Progress[] = [];
    await seat.client.callTool(
      { name: "put", arguments: { local_paths: ["large"], path: "put/large" } },
      { onprogress: (progress) => void heard.push(progress) },
    );
    expect(heard.length).toBeGreaterThan(0);
    for (const [i, { progress, total }] of heard.entries()) {
      expect(progress).toBeGreaterThan(heard[i - 1]?.progress ?? -Infinity);
      expect(total).toBe(size);
    }
  });
});

describe("get", () => {
  beforeAll(async () => {
    await mkdir(there("get/sub"), { recursive: true });
    await writeFile(there("get/a"), "from there\n");
    await writeFile(there("get/sub/b"), "b\n");
  });

  test("brings a file, a tree, and several", async () => {
    expect(await seat.ok("get", { paths: ["get/a"], local_path: "got/one" })).toMatchObject({ files: 1, bytes: 11 });
    await seat.ok("get", { paths: ["get"], local_path: "got/tree", recursive: true });
    await seat.ok("get", { paths: ["get/a", "get/sub/b"], local_path: "got/both/" });
    expect(await readFile(local("got/one"), "utf8")).toBe("from there\n");
    expect(await readFile(local("got/tree/sub/b"), "utf8")).toBe("b\n");
    expect(await readFile(local("got/both/b"), "utf8")).toBe("b\n");
  });

  test.each([
    ["what is not there", { paths: ["none"], local_path: "got/x" }, "not_found"],
    ["a directory without recursive", { paths: ["get"], local_path: "got/x" }, "usage"],
    ["a place that is taken", { paths: ["get/a"], local_path: "tree/a", no_clobber: true }, "conflict"],
  ])("%s is a failure", async (_, args, error) => {
    expect(await seat.fails("get", args)).toMatchObject({ error });
  });
});

describe("the bounds on this machine", () => {
  const outside = (): string => path.join(home.home.dir, "outside");

  test.each([
    ["a whole path elsewhere", () => outside()],
    ["a way up", () => "../outside"],
    ["a way up through what is not there", () => "none/../../outside"],
    ["a system's file", () => "/etc/passwd"],
  ])("%s is neither read nor written", async (_, file) => {
    expect(await seat.fails("put", { local_paths: [file()], path: "leaked" })).toMatchObject({
      error: "forbidden",
      hint: expect.stringContaining("--allow-path"),
    });
    expect(await seat.fails("get", { paths: ["get/a"], local_path: file() })).toMatchObject({ error: "forbidden" });
    expect(await readFile(outside(), "utf8")).toBe("secret\n");
  });

  test("a link that leads out is no way out", async () => {
    await symlink(outside(), local("way-out"));
    await symlink(home.home.dir, local("home"));
    await mkdir(local("into"));
    await symlink(outside(), local("into/a"));
    for (const file of ["way-out", "home/outside"]) {
      expect(await seat.fails("put", { local_paths: [file], path: "leaked" })).toMatchObject({ error: "forbidden" });
      expect(await seat.fails("get", { paths: ["get/a"], local_path: file })).toMatchObject({ error: "forbidden" });
    }
    expect(await seat.fails("get", { paths: ["get/a"], local_path: "home/" })).toMatchObject({ error: "forbidden" });
    expect(await seat.fails("get", { paths: ["get/a"], local_path: "into/" })).toMatchObject({ error: "forbidden" });
    expect(await readFile(outside(), "utf8")).toBe("secret\n");
  });

  test.each([
    ["2025", {}],
    ["2026", { versionNegotiation: { mode: "auto" as const } }],
  ])("a client that has roots is asked for them, in the protocol of %s", async (_, options) => {
    const own = await agent(home, { ...options, roots: [local("tree")] });
    try {
      await own.ok("connect", { workspace: "desk" });
      await own.ok("put", { local_paths: ["a"], path: "roots/a" });
      expect(await readFile(there("roots/a"), "utf8")).toBe("a\n");
      expect(await own.fails("put", { local_paths: [local("large")], path: "x" })).toMatchObject({
        error: "forbidden",
      });
    } finally {
      await own.close();
    }
  });

  test("a client that has none of its roots to give may touch nothing", async () => {
    const own = await agent(home, { roots: [] });
    try {
      await own.ok("connect", { workspace: "desk" });
      expect(await own.fails("put", { local_paths: [local("tree/a")], path: "x" })).toMatchObject({
        error: "forbidden",
      });
    } finally {
      await own.close();
    }
  });

  test("a server that was started in a home, or above one, hands out nothing unless it is told to", async () => {
    for (const cwd of [home.home.dir, "/"]) {
      const own = await agent(home, { cwd });
      await own.ok("connect", { workspace: "desk" });
      expect(await own.fails("put", { local_paths: [outside()], path: "x" })).toMatchObject({ error: "forbidden" });
      await own.close();
    }
    const own = await agent(home, { cwd: "/", words: ["--allow-path", local("tree"), "--allow-path", home.home.dir] });
    try {
      await own.ok("connect", { workspace: "desk" });
      await own.ok("put", { local_paths: ["sub/b", outside()], path: "told/" });
      expect(await readFile(there("told/outside"), "utf8")).toBe("secret\n");
    } finally {
      await own.close();
    }
  });

  test("a tilde is the home, in what a person allows and in what a model asks for", async () => {
    await mkdir(path.join(home.home.dir, "named"));
    await writeFile(path.join(home.home.dir, "named/f"), "named\n");
    const own = await agent(home, { words: ["--allow-path", "~/named"] });
    try {
      await own.ok("connect", { workspace: "desk" });
      await own.ok("put", { local_paths: ["~/named/f"], path: "tilde/" });
      expect(await readFile(there("tilde/f"), "utf8")).toBe("named\n");
      for (const file of ["~/outside", "~", "~/named/../outside"])
        expect(await own.fails("get", { paths: ["get/a"], local_path: file })).toMatchObject({ error: "forbidden" });
    } finally {
      await own.close();
    }
  });

  test("what is kept secret here stays, whoever allows the folder that holds it", async () => {
    const own = await agent(home, { words: ["--allow-path", home.home.dir] });
    try {
      await own.ok("connect", { workspace: "desk" });
      await writeFile(path.join(home.home.dir, ".ssh/id_ed25519"), "key\n");
      const files = [".ssh/id_ed25519", ".cache/runcode/current", ".config/runcode/config.toml"];
      for (const file of files) {
        const whole = path.join(home.home.dir, file);
        expect(await own.fails("put", { local_paths: [whole], path: "x" })).toMatchObject({ error: "forbidden" });
        expect(await own.fails("get", { paths: ["get/a"], local_path: whole })).toMatchObject({ error: "forbidden" });
      }
      const all = { local_paths: [home.home.dir], path: "x", recursive: true };
      expect(await own.fails("put", all)).toMatchObject({ error: "forbidden" });
    } finally {
      await own.close();
    }
  });
});

describe("a workspace that takes its time, while another call changes what is here", () => {
  let slow: Bench;
  let own: Agent;
  let [here, project, gate, reached] = ["", "", "", ""];
  beforeAll(async () => {
    const programs = await mkdtemp(path.join(os.tmpdir(), "rc-slow-"));
    for (const name of ["stat", "tar"]) {
      const waits = "if [ -e ~/gate ]; then : > ~/reached; while [ -e ~/gate ]; do sleep 0.05; done; fi";
      await writeFile(path.join(programs, name), `#!/bin/sh\n${waits}\nexec ${which(name)} "$@"\n`, { mode: 0o755 });
    }
    slow = await bench({ PATH: `${programs}:${process.env["PATH"]}` });
    await slow.workspace("slow");
    own = await agent(slow);
    here = await realpath(path.join(slow.home.dir, "project"));
    project = (await own.ok<{ workdir: string }>("connect", { workspace: "slow" })).workdir;
    const there = (await slow.ok(["exec", "--home", "--", "pwd -P"])).stdout.trim();
    [gate, reached] = [path.join(there, "gate"), path.join(there, "reached")];
    await mkdir(path.join(slow.home.dir, "private"));
    await writeFile(path.join(slow.home.dir, "private/key"), "key\n");
    return () => rm(programs, { recursive: true });
  });
  afterAll(async () => {
    await own.close();
    await slow.close();
  });

  /** Calls the tool, and does `meanwhile` once the workspace has been asked and before it answers. */
  async function late(tool: string, args: Record<string, unknown>, meanwhile: () => Promise<void>) {
    await writeFile(gate, "");
    await rm(reached, { force: true });
    try {
      const called = own.client.callTool({ name: tool, arguments: args });
      await expect.poll(() => existsSync(reached), { timeout: 30_000 }).toBe(true);
      await meanwhile();
      await rm(gate);
      return await called;
    } finally {
      await rm(gate, { force: true });
    }
  }
  const forbidden = { isError: true, content: [{ text: expect.stringContaining('"forbidden"') as string }] };

  test("cannot have a file written through a link that came after the look", async () => {
    await writeFile(path.join(project, "a"), "stolen\n");
    const outside = path.join(slow.home.dir, "private/key");
    const got = await late("get", { paths: ["a"], local_path: "late" }, () =>
      symlink(outside, path.join(here, "late")),
    );
    expect(got).toMatchObject(forbidden);
    expect(await readFile(outside, "utf8")).toBe("key\n");
  });

  test("cannot have a tree made in a directory that such a link leads to", async () => {
    await mkdir(path.join(project, "t"));
    await writeFile(path.join(project, "t/key"), "stolen\n");
    const there = path.join(slow.home.dir, "private");
    const args = { paths: ["t"], local_path: "later/tree", recursive: true };
    expect(await late("get", args, () => symlink(there, path.join(here, "later")))).toMatchObject(forbidden);
    expect(existsSync(path.join(there, "tree"))).toBe(false);
  });

  test("gets such a link as a link, and not what it leads to", async () => {
    await writeFile(path.join(here, "filler"), Buffer.alloc(16 * 1024 * 1024, "x"));
    await writeFile(path.join(here, "swapped"), "mine\n");
    const args = { local_paths: ["filler", "swapped"], path: "taken/", recursive: true };
    const put = await late("put", args, async () => {
      await rm(path.join(here, "swapped"));
      await symlink(path.join(slow.home.dir, "private"), path.join(here, "swapped"));
    });
    expect(put.isError).toBeFalsy();
    expect((await lstat(path.join(project, "taken/swapped"))).isSymbolicLink()).toBe(true);
  });
});

const mayMount = ((): boolean => {
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
test.skipIf(!mayMount)(
  "what is kept secret is known under another path as well (a mount, which wants root; another case of its letters where there is none)",
  async () => {
    await mkdir(local("alias"));
    await writeFile(path.join(home.home.dir, ".ssh/other"), "key\n");
    const ssh = path.join(home.home.dir, ".ssh");
    const mounted = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const own = await agent(home, { before: ["unshare", "-m", "sh", "-c", mounted, "sh", ssh, local("alias")] });
    try {
      await own.ok("connect", { workspace: "desk" });
      for (const args of [{ local_paths: ["alias/other"] }, { local_paths: ["alias"], recursive: true }])
        expect(await own.fails("put", { ...args, path: "x" })).toMatchObject({ error: "forbidden" });
      expect(await own.fails("get", { paths: ["get/a"], local_path: "alias/new" })).toMatchObject({
        error: "forbidden",
      });
    } finally {
      await own.close();
    }
  },
);
