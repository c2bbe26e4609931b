// Files of the workspace by the tools: read, write, edit, glob and grep, with names and contents that mean no good.
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench, type Bench } from "../commands/workspace.ts";
import { testWith, which } from "../harness/index.ts";
import { agent, desk, type Agent, type Desk } from "./fixture.ts";

let home: Bench;
let seat: Agent;
let close: Desk["close"];
/** The project directory, which without isolation is a directory of this machine. */
let project: string;
beforeAll(async () => {
  ({ home, seat, project, close } = await desk());
});
afterAll(() => close());

const at = (...parts: string[]): string => path.join(project, ...parts);
async function place(name: string, content: string | Uint8Array): Promise<void> {
  await mkdir(path.dirname(at(name)), { recursive: true });
  await writeFile(at(name), content);
}

interface Read {
  readonly content: string;
  readonly size_bytes: number;
  readonly total_lines: number | null;
  readonly next_offset: number | null;
}

describe("read", () => {
  test("gives a text exactly, its size and its lines", async () => {
    const text = "\ufeffone\r\ntwo\t\n\nü — last, without an end";
    await place("read/a.txt", text);
    expect(await seat.ok<Read>("read", { path: "read/a.txt" })).toMatchObject({
      workspace: "desk",
      content: text,
      size_bytes: Buffer.byteLength(text),
      total_lines: 4,
      next_offset: null,
    });
  });

  test("gives a part, and where to go on until there is no more", async () => {
    await place("read/lines", Array.from({ length: 10 }, (_, i) => `line ${i + 1}\n`).join(""));
    let content = "";
    for (let offset: number | null = 1; offset !== null;) {
      const part: Read = await seat.ok<Read>("read", { path: "read/lines", offset, limit: 4 });
      content += part.content;
      offset = part.next_offset;
    }
    expect(content).toBe(await readFile(at("read/lines"), "utf8"));
    expect(await seat.ok("read", { path: "read/lines", offset: 11 })).toMatchObject({ content: "", next_offset: null });
  });

  test("numbers lines where that is asked for", async () => {
    await place("read/numbered", "a\n\nc\n");
    const { content } = await seat.ok<Read>("read", { path: "read/numbered", offset: 2, line_numbers: true });
    expect(content).toBe("2\t\n3\tc\n");
  });

  test("keeps to its bound, at the end of a line", async () => {
    await place("read/large", `${"x".repeat(999)}\n`.repeat(1000));
    const part = await seat.ok<Read>("read", { path: "read/large" });
    expect(part.content.length).toBeLessThanOrEqual(64 * 1024);
    expect(part).toMatchObject({ next_offset: part.content.length / 1000 + 1, total_lines: 1000 });
    expect(part.content.endsWith("x\n")).toBe(true);
  });

  test("a directory is not read and a file not looked into, and nobody is told to remove either", async () => {
    await place("read/kind/file", "x");
    for (const [tool, args] of [
      ["read", { path: "read/kind" }],
      ["glob", { path: "read/kind/file", pattern: "*" }],
    ] as const) {
      const { error, hint } = await seat.fails(tool, args);
      expect([error, hint]).toEqual(["conflict", expect.stringMatching(/glob|directory/)]);
      expect(hint).not.toMatch(/remove|slash/);
    }
  });

  test("refuses what is no text, and gives it as base64", async () => {
    const bytes = Buffer.from([0x89, 0x50, 0x00, 0xff, 0x0a, 0x31]);
    await place("read/image.png", bytes);
    expect(await seat.fails("read", { path: "read/image.png" })).toMatchObject({
      error: "conflict",
      hint: expect.stringContaining("base64"),
    });
    expect(await seat.ok<Read>("read", { path: "read/image.png", encoding: "base64" })).toMatchObject({
      content: bytes.toString("base64"),
      next_offset: null,
    });
    expect(
      await seat.ok<Read>("read", { path: "read/image.png", encoding: "base64", offset: 2, limit: 3 }),
    ).toMatchObject({
      content: bytes.subarray(1, 4).toString("base64"),
      next_offset: 5,
    });
  });

  test("an empty file is an empty text", async () => {
    await place("read/empty", "");
    expect(await seat.ok("read", { path: "read/empty" })).toMatchObject({ content: "", size_bytes: 0, total_lines: 0 });
  });

  test.each([
    ["what is not there", "read/none", "not_found"],
    ["a directory", "read", "conflict"],
    ["a device", "/dev/zero", "conflict"],
    ["a path below a file", "read/a-file/b", "not_found"],
    ["a NUL", "a\0b", "usage"],
  ])("%s is a failure", async (_, file, error) => {
    await place("read/a-file", "");
    expect(await seat.fails("read", { path: file })).toMatchObject({ error });
  });

  test("a line that is longer than all that may be given is told so", async () => {
    await place("read/one-line", "y".repeat(70 * 1024));
    expect(await seat.fails("read", { path: "read/one-line" })).toMatchObject({ error: "conflict" });
  });
});

describe("write", () => {
  test("writes a file with its directories, replaces it and keeps its mode", async () => {
    await seat.ok("write", { path: "write/deep/run.sh", content: "#!/bin/sh\n", mode: "755" });
    const done = await seat.ok("write", { path: "write/deep/run.sh", content: "#!/bin/sh\necho ü\n" });
    expect(done).toMatchObject({ path: "write/deep/run.sh", bytes: 18 });
    expect(await readFile(at("write/deep/run.sh"), "utf8")).toBe("#!/bin/sh\necho ü\n");
    expect((await stat(at("write/deep/run.sh"))).mode & 0o777).toBe(0o755);
  });

  test("takes bytes as base64, and nothing at all", async () => {
    const bytes = Buffer.from([0, 255, 10, 13]);
    await seat.ok("write", { path: "write/bytes", content: bytes.toString("base64"), encoding: "base64" });
    expect(await readFile(at("write/bytes"))).toEqual(bytes);
    await seat.ok("write", { path: "write/nothing", content: "" });
    expect(await readFile(at("write/nothing"), "utf8")).toBe("");
  });

  test("names that a shell would read arrive as they are", async () => {
    const names = ["a b'\"$(touch pwned)`;\\x", "-rf", "line\nend", "~", "*"];
    for (const name of names) await seat.ok("write", { path: `write/names/${name}`, content: name });
    for (const name of names) expect(await readFile(at("write/names", name), "utf8")).toBe(name);
    await expect(stat(at("pwned"))).rejects.toThrow();
  });

  test("takes more than ten megabytes in one message", async () => {
    const content = `${"z".repeat(1023)}\n`.repeat(12 * 1024);
    expect(await seat.ok("write", { path: "write/large", content })).toMatchObject({ bytes: content.length });
    expect((await stat(at("write/large"))).size).toBe(content.length);
  });

  test.each([
    ["a directory", "write", "conflict"],
    ["a path that ends with a slash", "write/x/", "usage"],
    ["a path below a file", "write/a-file/x", "conflict"],
  ])("%s is a failure and changes nothing", async (_, file, error) => {
    await place("write/a-file", "as it was");
    expect(await seat.fails("write", { path: file, content: "no" })).toMatchObject({ error });
    expect(await readFile(at("write/a-file"), "utf8")).toBe("as it was");
  });

  test("base64 that is none is refused", async () => {
    expect(await seat.fails("write", { path: "write/none", content: "no base64!", encoding: "base64" })).toMatchObject({
      error: "usage",
    });
  });
});

describe("edit", () => {
  test("replaces the one place, and keeps mode and everything else", async () => {
    await place("edit/a.sh", "one\r\n$& two\nthree");
    await chmod(at("edit/a.sh"), 0o750);
    const done = await seat.ok("edit", { path: "edit/a.sh", old_string: "$& two", new_string: "$1 $& 2" });
    expect(done).toMatchObject({ replacements: 1 });
    expect(await readFile(at("edit/a.sh"), "utf8")).toBe("one\r\n$1 $& 2\nthree");
    expect((await stat(at("edit/a.sh"))).mode & 0o777).toBe(0o750);
  });

  test("a text that stands there twice, overlapping too, needs replace_all", async () => {
    await place("edit/twice", "aXbXc aaa");
    expect(await seat.fails("edit", { path: "edit/twice", old_string: "X", new_string: "-" })).toMatchObject({
      error: "ambiguous",
      message: expect.stringContaining("2 times"),
    });
    expect(await seat.fails("edit", { path: "edit/twice", old_string: "aa", new_string: "-" })).toMatchObject({
      error: "ambiguous",
    });
    expect(await readFile(at("edit/twice"), "utf8")).toBe("aXbXc aaa");
    const args = { path: "edit/twice", old_string: "X", new_string: "", replace_all: true };
    expect(await seat.ok("edit", args)).toMatchObject({ replacements: 2 });
    expect(await readFile(at("edit/twice"), "utf8")).toBe("abc aaa");
  });

  test("a text that does not stand there is told, and why it may be so", async () => {
    await place("edit/crlf", "a\r\nb\r\n");
    expect(await seat.fails("edit", { path: "edit/crlf", old_string: "a\nb", new_string: "c" })).toMatchObject({
      error: "not_found",
      hint: expect.stringContaining("CR"),
    });
  });

  test("edits of one file that are asked for at once all count", async () => {
    const names = Array.from({ length: 8 }, (_, i) => `<${i}>`);
    await place("edit/many", names.join("\n"));
    await Promise.all(
      names.map((name) => seat.ok("edit", { path: "edit/many", old_string: name, new_string: `done ${name[1]}` })),
    );
    expect(await readFile(at("edit/many"), "utf8")).toBe(names.map((name) => `done ${name[1]}`).join("\n"));
  });

  test("whoever edits beside another loses nothing of theirs: the slower one is told", async () => {
    await place("edit/contended", "base\n");
    const other = await agent(home);
    await other.ok("connect", { workspace: "desk" });
    const results = await Promise.all(
      [seat, other].flatMap((each, who) =>
        Array.from({ length: 6 }, async (_, i) => {
          const args = { path: "edit/contended", old_string: "base\n", new_string: `base\n${who}.${i}\n` };
          const { isError } = (await each.client.callTool({ name: "edit", arguments: args })) as { isError?: boolean };
          return isError ? null : `${who}.${i}`;
        }),
      ),
    );
    await other.close();
    const told = results.filter((each) => each !== null);
    const there = (await readFile(at("edit/contended"), "utf8")).split("\n").filter((line) => line.includes("."));
    expect(there.toSorted()).toEqual(told.toSorted());
  });

  test("a link is followed, and stays a link", async () => {
    await place("edit/target", "old");
    await symlink("target", at("edit/link"));
    await seat.ok("edit", { path: "edit/link", old_string: "old", new_string: "new" });
    expect(await readFile(at("edit/target"), "utf8")).toBe("new");
  });

  test.each([
    ["what is not there", { path: "edit/none", old_string: "a", new_string: "b" }, "not_found"],
    ["a directory", { path: "edit", old_string: "a", new_string: "b" }, "conflict"],
    ["nothing to find", { path: "edit/a.sh", old_string: "", new_string: "b" }, "usage"],
    ["no change", { path: "edit/a.sh", old_string: "one", new_string: "one" }, "usage"],
  ])("%s is a failure", async (_, args, error) => {
    expect(await seat.fails("edit", args)).toMatchObject({ error });
  });

  test("what is no text is not touched", async () => {
    await place("edit/binary", Buffer.from([0x61, 0xff, 0x62]));
    expect(await seat.fails("edit", { path: "edit/binary", old_string: "a", new_string: "c" })).toMatchObject({
      error: "conflict",
    });
    expect(await readFile(at("edit/binary"))).toEqual(Buffer.from([0x61, 0xff, 0x62]));
  });
});

const HOSTILE = ["x\nsrc/faked.ts", "e\u001b[31msc.ts", "-rf.ts", " $(id);'\".ts", "ü\u202e.ts", "--\n.ts"];

describe("glob", () => {
  const glob = (args: Record<string, unknown>) => seat.ok<{ files: string[]; truncated: boolean }>("glob", args);
  beforeAll(async () => {
    for (const name of [
      "src/a.ts",
      "src/b.tsx",
      "src/deep/er/c.ts",
      "src/.hidden.ts",
      "top.ts",
      ".git/x.ts",
      "node_modules/m/i.ts",
    ])
      await place(`glob/${name}`, "x");
    for (const name of HOSTILE) await place(`glob/hostile/${name}`, "x");
  });

  test.each<[string, string[]]>([
    ["*.ts", ["top.ts"]],
    ["src/*.ts", ["src/.hidden.ts", "src/a.ts"]],
    ["src/**/*.ts", ["src/.hidden.ts", "src/a.ts", "src/deep/er/c.ts"]],
    ["src/**/*.{ts,tsx}", ["src/.hidden.ts", "src/a.ts", "src/b.tsx", "src/deep/er/c.ts"]],
    ["src/[ab].ts*", ["src/a.ts", "src/b.tsx"]],
    ["src/?.ts", ["src/a.ts"]],
    ["**/c.ts", ["src/deep/er/c.ts"]],
    ["src/deep/er/c.ts", ["src/deep/er/c.ts"]],
    ["node_modules/**/*.ts", ["node_modules/m/i.ts"]],
    ["**/*.rs", []],
  ])("%s", async (pattern, files) => {
    expect((await glob({ pattern, path: "glob" })).files).toEqual(files.map((file) => `glob/${file}`));
  });

  test("what is passed over is found where it is meant", async () => {
    expect((await glob({ pattern: "**/x.ts", path: "glob" })).files).toEqual([]);
    expect((await glob({ pattern: "*.ts", path: "glob/.git" })).files).toEqual(["glob/.git/x.ts"]);
  });

  test("an absolute pattern begins at the root, and what it gives can be read", async () => {
    const { files } = await glob({ pattern: at("glob/src/*.tsx") });
    expect(files).toEqual([at("glob/src/b.tsx")]);
    expect(await seat.ok("read", { path: files[0] })).toMatchObject({ content: "x" });
  });

  test("names that mean no good come whole in the structured content and harmless in the text", async () => {
    const args = { pattern: "hostile/*", path: "glob" };
    const { files } = await glob(args);
    expect(files).toEqual(
      HOSTILE.filter((name) => !name.includes("/"))
        .map((name) => `glob/hostile/${name}`)
        .toSorted(),
    );
    const text = await seat.text("glob", args);
    expect(text.split("\n")).toHaveLength(files.length);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    for (const file of files) expect(await seat.ok("read", { path: file })).toMatchObject({ content: "x" });
  });

  test("more than the limit is told", async () => {
    expect(await glob({ pattern: "src/**", path: "glob", limit: 2 })).toMatchObject({
      truncated: true,
      files: ["glob/src/.hidden.ts", "glob/src/a.ts"],
    });
  });

  test.each([
    ["a directory that is not there", { pattern: "*", path: "nowhere" }, "not_found"],
    ["a file", { pattern: "*", path: "glob/top.ts" }, "conflict"],
    ["an empty pattern", { pattern: "" }, "usage"],
  ])("%s is a failure", async (_, args, error) => {
    expect(await seat.fails("glob", args)).toMatchObject({ error });
  });
});

interface Grep {
  readonly engine: string;
  readonly files: string[];
  readonly lines: { path: string; line: number; text: string; match: boolean }[];
  readonly truncated: boolean;
}

const folders: string[] = [];
afterAll(async () => {
  for (const dir of folders) await rm(dir, { recursive: true, force: true });
});

const SEARCHERS = [
  ["rg", testWith("rg")],
  ["grep", test],
  ["busybox", testWith("busybox")],
] as const;

describe.each(SEARCHERS)("grep with %s", (program, run) => {
  let own: Bench;
  let searching: Agent;
  const grep = (args: Record<string, unknown>) => searching.ok<Grep>("grep", { path: "grep", ...args });
  let root: string;
  beforeAll(async () => {
    own = await bench(await programs(program));
    await own.workspace("desk");
    searching = await agent(own);
    root = path.join((await searching.ok<{ workdir: string }>("connect", { workspace: "desk" })).workdir, "grep");
    const files: Record<string, string | Buffer> = {
      "a.ts": "const one = 1;\nconst two = 2;\n// three\nconst four = 4;\n",
      "src/b.ts": "let One = 1;\n",
      "src/c.md": "one (1)\n",
      bin: Buffer.from("one\0two\n"),
      ".git/config": "one\n",
      "node_modules/m/index.js": "one\n",
      last: "no end: one",
      ...Object.fromEntries(HOSTILE.map((name) => [`hostile/${name}`, "evil\n12:evil:\u001b[31m\n"])),
    };
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), content);
    }
  });
  afterAll(async () => {
    await searching.close();
    await own.close();
  });

  run("finds lines with their files and numbers", async () => {
    const { engine, lines, files } = await grep({ pattern: "^(const|let) .*[0-9];$" });
    expect(engine).toBe(program === "rg" ? "rg" : "grep");
    expect(lines.map(({ path, line, match }) => `${path}:${line} ${match}`)).toEqual([
      "grep/a.ts:1 true",
      "grep/a.ts:2 true",
      "grep/a.ts:4 true",
      "grep/src/b.ts:1 true",
    ]);
    expect(lines[1]?.text).toBe("const two = 2;");
    expect(files).toEqual(["grep/a.ts", "grep/src/b.ts"]);
  });

  run("passes over what is no text and what is not the project's own", async () => {
    expect((await grep({ pattern: "one", files_only: true })).files).toEqual([
      "grep/a.ts",
      ...(program === "busybox" ? ["grep/bin"] : []),
      "grep/last",
      "grep/src/c.md",
    ]);
  });

  run("takes a text as it is, whatever the case, in the files that are meant", async () => {
    expect((await grep({ pattern: "ONE (1)", fixed: true, ignore_case: true })).files).toEqual(["grep/src/c.md"]);
    expect((await grep({ pattern: "one", ignore_case: true, glob: "*.{ts,tsx}" })).files).toEqual([
      "grep/a.ts",
      "grep/src/b.ts",
    ]);
    expect((await grep({ pattern: "one", ignore_case: true, glob: "src/*.ts" })).files).toEqual(["grep/src/b.ts"]);
  });

  run("gives the lines around, told apart", async () => {
    const { lines } = await grep({ pattern: "two", context: 1, path: "grep/a.ts" });
    expect(lines.map(({ path, line, match }) => `${path}:${line} ${match}`)).toEqual([
      "grep/a.ts:1 false",
      "grep/a.ts:2 true",
      "grep/a.ts:3 false",
    ]);
  });

  run("no name and no content can pass for another file's line", async () => {
    const { lines } = await grep({ pattern: "evil" });
    const names = HOSTILE.map((name) => `grep/hostile/${name}`).toSorted();
    expect([...new Set(lines.map(({ path }) => path))].toSorted()).toEqual(names);
    expect(lines.map(({ line }) => line)).toEqual(names.flatMap(() => [1, 2]));
    const text = await searching.text("grep", { pattern: "evil", path: "grep" });
    expect(text.split("\n")).toHaveLength(lines.length);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  run("more than the limit is told, and nothing at all is no failure", async () => {
    expect(await grep({ pattern: "evil", limit: 3 })).toMatchObject({ truncated: true, lines: { length: 3 } });
    expect(await grep({ pattern: "no such thing" })).toMatchObject({ truncated: false, lines: [], files: [] });
  });

  run("a pattern that looks like an option is a pattern", async () => {
    await writeFile(path.join(root, "option"), "--version -e\n");
    expect((await grep({ pattern: "--version" })).files).toEqual(["grep/option"]);
    expect((await grep({ pattern: "-e", fixed: true })).files).toEqual(["grep/option"]);
  });

  run("an expression that is none, a path that is none", async () => {
    expect(await searching.fails("grep", { pattern: "a(", path: "grep" })).toMatchObject({ error: "usage" });
    expect(await searching.fails("grep", { pattern: "a", path: "none" })).toMatchObject({ error: "not_found" });
    expect(await searching.fails("grep", { pattern: "a\nb" })).toMatchObject({ error: "usage" });
  });
});

/** The environment of a server whose workspaces have what the scripts need, and this one program to search with. */
async function programs(program: "rg" | "grep" | "busybox"): Promise<Readonly<Record<string, string>>> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "rc-bin-"));
  folders.push(dir);
  const link = async (name: string, tool = name): Promise<void> => {
    const file = which(tool);
    if (file !== null) await symlink(file, path.join(dir, name));
  };
  for (const name of ["sh", "bash", "cat", "head", "tail", "tr", "wc", "env", "mkdir", "pwd"]) await link(name);
  for (const name of ["grep", "find"]) await link(name, program === "busybox" ? "busybox" : name);
  if (program === "rg") await link("rg");
  return { PATH: dir };
}
