// What goes where, and that nothing is lost: put, get and write with the built program against a real workspace.
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ended, leftovers, place, tree, type Place } from "./fixture.ts";

let p: Place;
beforeAll(async () => {
  p = await place();
});
afterAll(() => p.close());
beforeEach(() => {
  for (const root of [p.here, p.there]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
});
const here = (name: string): string => path.join(p.here, name);
const there = (name: string): string => path.join(p.there, name);
const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");

describe("put of one file", () => {
  test("gives the size and the hash, and keeps mode and time", async () => {
    writeFileSync(here("f"), "hello\n");
    chmodSync(here("f"), 0o751);
    utimesSync(here("f"), 1_600_000_000, 1_600_000_000.5);
    const done = (await p.ok(["put", "f", "deep/er/g", "--json"])).json();
    expect(done).toEqual({ files: 1, bytes: 6, sha256: sha256("hello\n"), duration_ms: expect.any(Number) });
    expect(readFileSync(there("deep/er/g"), "utf8")).toBe("hello\n");
    expect(statSync(there("deep/er/g")).mode & 0o7777).toBe(0o751);
    expect(statSync(there("deep/er/g")).mtimeMs).toBe(1_600_000_000_500);
    expect(leftovers(p.there)).toEqual([]);
  });

  test.each([[0], [1], [89], [90], [91], [262_143], [262_144], [262_145], [3_000_000]])(
    "of %i bytes arrives and comes back",
    async (size) => {
      const data = Buffer.alloc(size, "0123456789abcdef\0\n");
      writeFileSync(here("f"), data);
      expect((await p.ok(["put", "f", "f", "--json"])).json()).toMatchObject({ bytes: size, sha256: sha256(data) });
      expect(readFileSync(there("f")).equals(data)).toBe(true);
      expect((await p.ok(["get", "f", "--out", "g", "--json"])).json()).toMatchObject({
        bytes: size,
        sha256: sha256(data),
      });
      expect(readFileSync(here("g")).equals(data)).toBe(true);
    },
  );

  test("replaces a file by another, and never writes into the one that was there", async () => {
    writeFileSync(here("f"), "new");
    writeFileSync(there("f"), "old");
    symlinkSync("f", there("link"));
    const before = statSync(there("f")).ino;
    await p.ok(["put", "f", "link"]);
    expect(readlinkSync(there("link"))).toBe("f");
    expect(readFileSync(there("f"), "utf8")).toBe("new");
    expect(statSync(there("f")).ino).not.toBe(before);
  });

  test.each<[string, string[], string, string]>([
    ["a directory of that name", ["put", "f", "dir"], "conflict", "dir is a directory on the workspace"],
    ["a directory of that name inside", ["put", "f", "outer/"], "conflict", "outer/f is a directory on the workspace"],
    ["a FIFO", ["put", "f", "fifo"], "conflict", "fifo is neither a file nor a directory on the workspace"],
    ["a device", ["put", "f", "/dev/null"], "conflict", "/dev/null is neither a file nor a directory on the workspace"],
    [
      "a link that leads nowhere",
      ["put", "f", "dangling"],
      "conflict",
      "dangling is a symbolic link on the workspace that leads nowhere",
    ],
    [
      "a file where a directory should be",
      ["put", "f", "file/g"],
      "conflict",
      "file/g: a part of that path is a file on the workspace",
    ],
    ["a file, with --no-clobber", ["put", "f", "file", "--no-clobber"], "conflict", "file exists on the workspace"],
    ["no such local file", ["put", "missing", "g"], "not_found", "there is no missing"],
    ["a local directory", ["put", "local", "g"], "usage", "local is a directory"],
    ["stdin without a name", ["put", "-", "dir/"], "usage", "what comes on stdin needs a file name on the workspace"],
    [
      "two of one name",
      ["put", "f", "local/f", "dir/"],
      "conflict",
      "two of them are called f; one would overwrite the other",
    ],
    ["one path only", ["put", "f"], "usage", "give at least one local path and then the one on the workspace"],
  ])("meets %s: an error, and nothing is changed on either side", async (_, words, error, message) => {
    writeFileSync(here("f"), "new");
    mkdirSync(here("local"));
    writeFileSync(here("local/f"), "other");
    mkdirSync(there("dir/sub"), { recursive: true });
    writeFileSync(there("dir/sub/kept"), "kept");
    mkdirSync(there("outer/f"), { recursive: true });
    writeFileSync(there("file"), "old");
    symlinkSync("nowhere", there("dangling"));
    await p.ok(["exec", "--", "mkfifo fifo"]);
    const stat = (): unknown =>
      p.ok(["exec", "--", "find . | sort; cat file dir/sub/kept; ls -l /dev/null"]).then(({ stdout }) => stdout);
    const before = [await stat(), tree(p.here)];
    const ran = await p.run([...words, "--json"], { stdin: "x" });
    expect(ran.json()).toMatchObject({ error, message });
    expect([await stat(), tree(p.here)]).toEqual(before);
  });

  test("takes any name as it is, both ways", async () => {
    const anyName = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
      .map((name) => name.replaceAll(/[/\0]/g, "_"))
      .filter((name) => ![".", "..", "-"].includes(name) && Buffer.byteLength(name) < 200);
    const odd = [
      "-rf",
      "--json",
      " ",
      "a b",
      "$(touch x)",
      "`x`",
      "'\"\\",
      "a\nb",
      "\n",
      "new line\n",
      "*",
      "~",
      "#",
      "!x",
      "é",
      "%s\\0",
    ];
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.constantFrom(...odd), anyName), async (name) => {
        writeFileSync(path.join(p.here, "source"), name);
        await p.ok(["put", "--", "source", `./${name}`]);
        expect(readFileSync(path.join(p.there, name), "utf8")).toBe(name);
        await p.ok(["get", "-o", "back/", "--", `./${name}`]);
        expect(readFileSync(path.join(p.here, "back", name), "utf8")).toBe(name);
      }),
      { numRuns: 25, examples: odd.map((name) => [name]) },
    );
  });
});

describe("stdin and stdout", () => {
  test("carry content of unknown length both ways, byte for byte", async () => {
    const data = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));
    expect((await p.ok(["put", "-", "s", "--json"], { stdin: data })).json()).toMatchObject({
      bytes: data.length,
      sha256: sha256(data),
    });
    const child = p.start(["get", "s", "--out", "-"]);
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => child.once("close", resolve));
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });

  test("that get may not share with --json is refused", async () => {
    expect((await p.run(["get", "s", "--out", "-", "--json"])).json()).toMatchObject({ error: "usage" });
  });
});

describe("get", () => {
  test("gives ./name by default, dir/name for dir/, the name itself otherwise, and several into a directory", async () => {
    mkdirSync(there("sub"));
    writeFileSync(there("sub/a"), "A");
    writeFileSync(there("b"), "B");
    mkdirSync(here("dir"));
    await p.ok(["get", "sub/a"]);
    await p.ok(["get", "sub/a", "--out", "dir/"]);
    await p.ok(["get", "b", "--out", "."]);
    await p.ok(["get", "b", "--out", "new/name"]);
    expect((await p.ok(["get", "sub/a", "b", "--out", "both", "--json"])).json()).toMatchObject({ files: 2, bytes: 2 });
    expect(Object.keys(tree(p.here)).sort()).toEqual([
      "a",
      "b",
      "both",
      "both/a",
      "both/b",
      "dir",
      "dir/a",
      "new",
      "new/name",
    ]);
  });

  test.each<[string, string[], string]>([
    ["a directory of that name", ["get", "f", "--out", "dir"], "conflict"],
    ["a directory of that name in the directory", ["get", "f", "--out", "outer/"], "conflict"],
    ["a file, with --no-clobber", ["get", "f", "--out", "file", "--no-clobber"], "conflict"],
    ["a file where a directory should be", ["get", "f", "--out", "file/g"], "conflict"],
    ["a file where the tree should go", ["get", "-r", "tree", "--out", "file"], "conflict"],
    ["a missing file there", ["get", "missing"], "not_found"],
    ["a directory there without -r", ["get", "tree", "--out", "new"], "usage"],
    ["two of one name", ["get", "f", "tree/f", "--out", "new"], "conflict"],
    ["a FIFO there", ["get", "fifo"], "conflict"],
    ["a directory where a file of the tree should go", ["get", "-r", "tree", "--out", "clash"], "conflict"],
    ["a file where a directory of the tree should go", ["get", "-r", "tree", "--out", "clash2"], "conflict"],
  ])("meets %s: an error, and nothing is changed here", async (_, words, error) => {
    writeFileSync(there("f"), "new");
    mkdirSync(there("tree/d"), { recursive: true });
    writeFileSync(there("tree/f"), "new");
    await p.ok(["exec", "--", "mkfifo fifo"]);
    for (const dir of ["dir", "outer/f", "clash/f", "clash2"]) mkdirSync(here(dir), { recursive: true });
    writeFileSync(here("file"), "old");
    writeFileSync(here("clash2/d"), "old");
    const before = tree(p.here);
    expect((await p.run([...words, "--json"])).json()).toMatchObject({ error });
    expect(tree(p.here)).toEqual(before);
  });
});

describe("a tree", () => {
  const plant = (root: string): void => {
    mkdirSync(path.join(root, "sub/empty"), { recursive: true });
    for (const [name, content] of [
      ["a b\nc", "1"],
      ["-dash", "2"],
      ["sub/deep", "3"],
      [`sub/${"n".repeat(230)}`, "4"],
      ["zero", ""],
    ] as const)
      writeFileSync(path.join(root, name), content);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x0a])]), "bytes");
    symlinkSync("/etc/passwd", path.join(root, "link"));
    symlinkSync(Buffer.from([0xff]), path.join(root, "dangling"));
    symlinkSync("sub", path.join(root, "dirlink"));
    chmodSync(path.join(root, "zero"), 0o700);
    chmodSync(path.join(root, "sub/empty"), 0o555);
    for (const name of ["-dash", "sub/deep"]) utimesSync(path.join(root, name), 1_500_000_000, 1_500_000_000);
  };

  test("goes there and comes back with its names, modes, times and links", async () => {
    plant(here("src"));
    const source = tree(here("src"));
    expect((await p.ok(["put", "-r", "src", "t", "--json"])).json()).toMatchObject({ files: 6, bytes: 9 });
    expect(tree(there("t"))).toEqual(source);
    expect((await p.ok(["get", "-r", "t", "--out", "back", "--json"])).json()).toMatchObject({ files: 6, bytes: 9 });
    expect(tree(here("back"))).toEqual(source);
    expect([leftovers(p.here), leftovers(p.there)]).toEqual([[], []]);
  });

  test("gives the same when it is put twice, inside with a slash, and merged without losing what is there", async () => {
    mkdirSync(here("src/sub"), { recursive: true });
    writeFileSync(here("src/sub/f"), "new");
    writeFileSync(here("src/g"), "new");
    mkdirSync(there("t/sub/own"), { recursive: true });
    writeFileSync(there("t/sub/f"), "old");
    writeFileSync(there("t/sub/kept"), "kept");
    for (const words of [
      ["put", "-r", "src", "t"],
      ["put", "-r", "src", "t"],
      ["put", "-r", "src", "t/"],
    ])
      await p.ok(words);
    expect(Object.keys(tree(there("t"))).sort()).toEqual([
      "g",
      "src",
      "src/g",
      "src/sub",
      "src/sub/f",
      "sub",
      "sub/f",
      "sub/kept",
      "sub/own",
    ]);
    expect(readFileSync(there("t/sub/f"), "utf8")).toBe("new");
    await p.ok(["get", "-r", "t", "--out", "b"]);
    writeFileSync(here("b/mine"), "mine");
    await p.ok(["get", "-r", "t", "--out", "b"]);
    expect(Object.keys(tree(here("b"))).sort()).toEqual(["mine", ...Object.keys(tree(there("t")))].sort());
  });

  test.each<[string, (root: string) => void, string[]]>([
    ["a directory where a file should go", (t) => mkdirSync(`${t}/sub/f/inner`, { recursive: true }), []],
    ["a file where a directory should go", (t) => writeFileSync(`${t}/sub`, "old"), []],
    ["a link where a directory should go", (t) => symlinkSync("/tmp", `${t}/sub`), []],
    ["a file of the same name, with --no-clobber", (t) => writeFileSync(`${t}/z`, "old"), ["--no-clobber"]],
  ])("that meets %s is refused whole", async (_, prepare, flags) => {
    mkdirSync(here("src/sub"), { recursive: true });
    for (const name of ["a", "sub/f", "z"]) writeFileSync(here(`src/${name}`), "new");
    mkdirSync(there("t"));
    prepare(there("t"));
    const before = tree(there("t"));
    expect((await p.run(["put", "-r", "src", "t", "--json", ...flags])).json()).toMatchObject({ error: "conflict" });
    expect(tree(there("t"))).toEqual(before);
    expect(leftovers(p.there)).toEqual([]);
  });

  test("of several roots goes into a directory that need not be there", async () => {
    mkdirSync(here("d"));
    for (const name of ["d/x", "y"]) writeFileSync(here(name), name);
    expect((await p.ok(["put", "-r", "d", "y", "many", "--json"])).json()).toMatchObject({ files: 2 });
    expect(Object.keys(tree(there("many"))).sort()).toEqual(["d", "d/x", "y"]);
  });

  test("of the working directory is its content", async () => {
    writeFileSync(here("f"), "f");
    await p.ok(["put", "-r", ".", "copy"]);
    expect(Object.keys(tree(there("copy")))).toEqual(["f"]);
    await p.ok(["get", "-r", ".", "--out", "all"]);
    expect(Object.keys(tree(here("all"))).sort()).toEqual(["copy", "copy/f"]);
  });

  test("leaves FIFOs out and says so", async () => {
    mkdirSync(here("src"));
    writeFileSync(here("src/f"), "f");
    await p.ok(["put", "-r", "src", "t"]);
    await p.ok(["exec", "--", "mkfifo t/pipe"]);
    const ran = await p.ok(["get", "-r", "t", "--out", "back"]);
    expect(ran.stderr).toContain("pipe");
    expect(Object.keys(tree(here("back")))).toEqual(["f"]);
  });

  test("of several roots follows the links that were named, under their own names", async () => {
    writeFileSync(here("f"), "f");
    mkdirSync(here("d"));
    writeFileSync(here("d/g"), "g");
    symlinkSync("f", here("to-file"));
    symlinkSync("d", here("to-dir"));
    await p.ok(["put", "-r", "to-file", "to-dir/", "linked"]);
    expect(tree(there("linked"))).toMatchObject({ "to-file": expect.stringMatching(/^file .* f$/) as string });
    expect(readFileSync(there("linked/to-dir/g"), "utf8")).toBe("g");
    await p.ok(["put", "-r", "to-dir", "alone"]);
    expect(readFileSync(there("alone/g"), "utf8")).toBe("g");
  });

  test("of 5,000 files arrives whole, in lists of several thousand", async () => {
    mkdirSync(here("src"));
    for (let i = 0; i < 5000; i++) writeFileSync(here(`src/f${i}`), `${i}`);
    expect((await p.ok(["put", "-r", "src", "t", "--json"])).json()).toMatchObject({ files: 5000 });
    const same = await p.ok(["exec", "--", "ls t | wc -l; cat t/f4999"]);
    expect(same.stdout.trim()).toBe("5000\n4999");
  });
});

describe("write", () => {
  test("takes stdin or a file, and keeps the mode of what it replaces unless told otherwise", async () => {
    writeFileSync(there("f"), "old");
    chmodSync(there("f"), 0o640);
    expect((await p.ok(["write", "f", "--json"], { stdin: "new" })).json()).toEqual({
      path: "f",
      bytes: 3,
      sha256: sha256("new"),
    });
    expect(statSync(there("f")).mode & 0o7777).toBe(0o640);
    writeFileSync(here("x"), "from a file");
    await p.ok(["write", "f", "--file", "x", "--mode", "600"]);
    expect(readFileSync(there("f"), "utf8")).toBe("from a file");
    expect(statSync(there("f")).mode & 0o7777).toBe(0o600);
  });

  test("adds to the end, in the very file that is there", async () => {
    await p.ok(["write", "log", "--append"], { stdin: "one\n" });
    const inode = lstatSync(there("log")).ino;
    expect((await p.ok(["write", "log", "--append", "--json"], { stdin: "two\n" })).json()).toMatchObject({ bytes: 4 });
    expect(readFileSync(there("log"), "utf8")).toBe("one\ntwo\n");
    expect(lstatSync(there("log")).ino).toBe(inode);
  });

  test.each([["dir"], ["dir/"], ["."]])("refuses %s, a directory", async (name) => {
    mkdirSync(there("dir"));
    const ran = await p.run(["write", name, "--json"], { stdin: "x" });
    expect([2, 5]).toContain(ran.exitCode);
    expect(tree(p.there)).toEqual({ dir: "directory 755" });
  });

  test("refuses a mode that is none", async () => {
    expect((await p.run(["write", "f", "--mode", "9", "--json"], { stdin: "" })).json()).toMatchObject({
      error: "usage",
    });
    expect(existsSync(there("f"))).toBe(false);
  });
});

test("paths start at the project directory, at the root, or at home with ~/", async () => {
  await p.ok(["write", "~/in-home"], { stdin: "h" });
  expect((await p.ok(["exec", "--home", "--", "cat in-home"])).stdout).toBe("h");
  await p.ok(["write", path.join(p.there, "absolute")], { stdin: "a" });
  expect(readFileSync(there("absolute"), "utf8")).toBe("a");
  await p.ok(["write", "./~/x"], { stdin: "t" });
  expect(readFileSync(there("~/x"), "utf8")).toBe("t");
  expect((await p.ok(["get", "~/in-home", "--out", "h"])).exitCode).toBe(0);
});

test("a gigabyte goes both ways in less than 80 MB of memory", async () => {
  const size = 1024 ** 3;
  writeFileSync(here("big"), "");
  (await import("node:fs")).truncateSync(here("big"), size);
  for (const words of [
    ["put", "big", "big", "--json"],
    ["get", "big", "--out", "back", "--json"],
  ]) {
    const child = p.start(words);
    child.stdin.end();
    let most = 0;
    const look = setInterval(() => {
      try {
        const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
        most = Math.max(most, Number(found?.[1] ?? 0));
      } catch {
        // It has ended.
      }
    }, 10);
    const { code, stdout } = await ended(child);
    clearInterval(look);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { bytes: size }]);
    expect(most).toBeGreaterThan(0);
    expect(most * 1024).toBeLessThan(80e6);
  }
  expect(statSync(here("back")).size).toBe(size);
}, 240_000);
