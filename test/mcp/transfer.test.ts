// Files between this machine and the workspace by the tools, and the bounds on this side: who asks is a model.
import { mkdir, readFile, readlink, realpath, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Progress } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench, type Bench } from "../commands/workspace.ts";
import { agent, type Agent } from "./fixture.ts";

let home: Bench;
let seat: Agent;
/** Where the server was started. */
let here: string;
let project: string;
beforeAll(async () => {
  home = await bench();
  await home.workspace("desk");
  here = await realpath(path.join(home.home.dir, "project"));
  seat = await agent(home);
  project = (await seat.ok<{ workdir: string }>("connect", { workspace: "desk" })).workdir;
  await mkdir(path.join(here, "tree/sub"), { recursive: true });
  await writeFile(path.join(here, "tree/a"), "a\n");
  await writeFile(path.join(here, "tree/sub/b"), "b\n");
  await symlink("a", path.join(here, "tree/link"));
  await writeFile(path.join(home.home.dir, "outside"), "secret\n");
});
afterAll(async () => {
  await seat.close();
  await home.close();
});

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
