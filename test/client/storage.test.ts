// A disk that is full, a home that is read-only: a named error, the old session where there was one, and no half a session ever.
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runProgram, testHome, type Ran, type TestHome } from "../harness/index.ts";
import { goodBundle, lyingPlane, markingSsh, type LyingPlane } from "./plane.ts";

let plane: LyingPlane;
let home: TestHome;
let at: string;
const mounted: string[] = [];
/** Whether this account can mount; in many containers root cannot. */
const mayMount = await probeMount();

beforeEach(async () => {
  plane = lyingPlane();
  home = await testHome();
  at = path.join(home.dir, "small");
  await mkdir(at);
});
afterEach(async () => {
  for (const dir of mounted.splice(0)) execFileSync("umount", [dir]);
  await plane.close();
  await home.remove();
});

function mount(options: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", at], { stdio: "ignore" });
  mounted.push(at);
}
async function probeMount(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const probe = await testHome();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe.dir], { stdio: "ignore" });
    execFileSync("umount", [probe.dir]);
    return true;
  } catch {
    return false;
  } finally {
    await probe.remove();
  }
}
async function connect(): Promise<Ran> {
  const { path: PATH } = await markingSsh(home.dir);
  return runProgram(["connect", "demo", "--force", "--json"], {
    env: { ...home.env, PATH, XDG_CACHE_HOME: at, RUNCODE_API_BASE: plane.base, RUNCODE_TOKEN: "t" },
  });
}
/** What stands in the session's folder once everything staged is gone. */
const files = async (): Promise<string[]> =>
  (await readdir(path.join(at, "runcode", "ws-7")).catch(() => [])).toSorted((a, b) => a.localeCompare(b));

const withMount = mayMount ? test : test.skip;
const why = mayMount ? "" : " (needs root and the right to mount a tmpfs)";

withMount(`a full disk is named, and leaves the session that was there as it was${why}`, async () => {
  mount("size=256k,mode=700");
  expect((await connect()).exitCode).toBe(0);
  const before = await files();
  const key = await readFile(path.join(at, "runcode/ws-7/id_ed25519"), "utf8");
  await writeFile(path.join(at, "filler"), Buffer.alloc(1 << 20)).catch(() => {});
  plane.answers.mint = () => Response.json({ bundle: { ...goodBundle(), workdir: `/${"w".repeat(1000)}` } });
  const ran = await connect();
  expect(ran.exitCode).toBe(9);
  expect(ran.json()).toMatchObject({ error: "io", message: expect.stringContaining("no space left") });
  expect(await files()).toEqual(before);
  expect(await readFile(path.join(at, "runcode/ws-7/id_ed25519"), "utf8")).toBe(key);
});

const root = process.getuid?.() === 0;

(root ? withMount : test)(`a read-only home is named, with what to do${root ? why : ""}`, async () => {
  // Modes mean nothing to root, and a mount is nothing an ordinary user can make.
  if (root) mount("ro,size=64k,mode=700");
  else await chmod(at, 0o500);
  const ran = await connect();
  expect(ran.exitCode).toBe(9);
  expect(ran.json()).toMatchObject({ error: "io", hint: expect.any(String) });
  expect(await readdir(at)).toEqual([]);
});
