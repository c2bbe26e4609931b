// The manual pages, read by the programs that people read them with.
import { execa } from "execa";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manuals } from "../../scripts/release/manuals.ts";
import { commandPage } from "../../src/cli/man.ts";
import { commandsOf } from "../../src/cli/define.ts";
import { COMMANDS } from "../../src/commands/index.ts";
import { testWith } from "../harness/index.ts";

const edition = { version: "1.2.3", date: "2026-01-31" };
let dir: string;
let pages: string[];
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "rc-man-"));
  pages = [];
  for (const { name, body } of await manuals(edition)) {
    pages.push(path.basename(name));
    await writeFile(path.join(dir, path.basename(name)), body);
  }
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const read = (page: string, ...words: string[]) =>
  execa("man", [...words, `./${page}`], { cwd: dir, env: { MANWIDTH: "80", LC_ALL: "C.UTF-8", MANPAGER: "cat" } });

test("every command that is not hidden has a page, and so has the program", () => {
  const commands = Object.keys(COMMANDS).filter((name) => !COMMANDS[name]?.hidden);
  expect(pages.toSorted()).toEqual(
    ["runcode.1", ...commands.map((name) => `runcode-${name.replace(" ", "-")}.1`)].toSorted(),
  );
});

testWith("man")("man renders every page without a warning", { timeout: 120_000 }, async () => {
  for (const page of pages) expect([page, (await read(page, "--warnings")).stderr]).toEqual([page, ""]);
});

testWith("man")("a page shows the options, the examples and what --json prints", async () => {
  const { stdout } = await read("runcode-exec.1");
  for (const part of [
    "runcode exec [options] -- command",
    "-w, --workspace WS",
    "runcode exec -- npm test",
    "{exit_code,signal?,",
    "runcode 1.2.3",
  ])
    expect(stdout).toContain(part);
});

testWith("man")("a paragraph is broken where the page ends, wherever the source broke it", async () => {
  const { stdout } = await read("runcode-mcp.1");
  expect(stdout).toMatch(/an\s+agent\s+starts it by itself\. {1,2}Its\s/);
  expect(stdout).not.toMatch(/\bIts tools\n/);
});

testWith("man")("text that looks like roff is shown, not obeyed", async () => {
  const command = commandsOf<null>()({
    summary: "Print \\fBback\\fR",
    description: '.so /etc/passwd\n\n\'br\n\na\\\\b … "c" ~d ^e `f` --g',
    positionals: { words: { arity: "some", summary: ".TH" } },
    examples: [[".sh -c 'a\\nb'", "\\*[x]"]],
    schema: null,
    run: () => Promise.resolve(),
  });
  await writeFile(path.join(dir, "odd.1"), await commandPage("odd", command, edition));
  const { stdout, stderr } = await read("odd.1", "--warnings");
  expect(stderr).toBe("");
  for (const part of [
    "\\fBback\\fR",
    ".so /etc/passwd",
    "'br",
    'a\\\\b … "c" ~d ^e `f` --g',
    "words ...",
    ".sh -c 'a\\nb'",
    "\\*[x]",
  ])
    expect(stdout).toContain(part);
});
