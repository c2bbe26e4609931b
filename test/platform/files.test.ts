import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeTree, replaceFile, withLock } from "../../src/platform/files.ts";
import { ROOT } from "../harness/index.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "rc-files-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("a folder that is removed", () => {
  test("is gone, although others remove files of it at the same time", async () => {
    for (let round = 0; round < 500; round++) {
      const tree = path.join(dir, "tree");
      mkdirSync(tree);
      const files = ["a", "b", "c", "d"].map((name) => path.join(tree, name));
      for (const file of files) writeFileSync(file, "");
      await Promise.all([removeTree(tree), ...files.slice(0, 2).map((file) => rm(file, { force: true }))]);
      expect(existsSync(tree)).toBe(false);
    }
  });

  test("may be missing", async () => {
    await removeTree(path.join(dir, "no", "such"));
  });
});

describe("a file that is replaced", () => {
  test("is 0600 from birth, whatever the umask and whatever stood there", async () => {
    const file = path.join(dir, "token");
    writeFileSync(file, "old");
    chmodSync(file, 0o644);
    await replaceFile(file, "new");
    expect(readFileSync(file, "utf8")).toBe("new");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("stands as it was when the new one cannot be written, and nothing else is left", async () => {
    const file = path.join(dir, "taken");
    writeFileSync(path.join(dir, "plain"), "");
    await expect(replaceFile(path.join(dir, "plain", "x"), "y")).rejects.toMatchObject({ code: "io" });
    await replaceFile(file, "first");
    await expect(replaceFile(file, { length: -1 } as never)).rejects.toMatchObject({ code: "io" });
    expect(readFileSync(file, "utf8")).toBe("first");
    expect(readdirSync(dir).filter((name) => name.startsWith("taken"))).toEqual(["taken"]);
  });
});

describe("a lock between processes", () => {
  const child = (lock: string, script: string): Bun.Subprocess<"ignore", "pipe", "inherit"> =>
    Bun.spawn(
      [
        process.execPath,
        "-e",
        `import { withLock } from ${JSON.stringify(path.join(ROOT, "src/platform/files.ts"))}; await withLock(${JSON.stringify(lock)}, async () => { ${script} });`,
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );

  test("lets one at a time through, so that twenty counters count to twenty", async () => {
    const lock = path.join(dir, "count.lock");
    const file = path.join(dir, "count");
    writeFileSync(file, "0");
    const add = `const fs = await import("node:fs"); const n = Number(fs.readFileSync(${JSON.stringify(file)}, "utf8")); await Bun.sleep(1); fs.writeFileSync(${JSON.stringify(file)}, String(n + 1));`;
    const codes = await Promise.all(Array.from({ length: 20 }, () => child(lock, add).exited));
    expect(codes.every((code) => code === 0)).toBe(true);
    expect(readFileSync(file, "utf8")).toBe("20");
  });

  test("is free again the moment its holder is killed", async () => {
    const lock = path.join(dir, "killed.lock");
    const holder = child(lock, `console.log("held"); await new Promise((resolve) => setTimeout(resolve, 600_000));`);
    const reader = holder.stdout.getReader();
    await reader.read();
    await expect(withLock(lock, async () => "got it", 50)).rejects.toMatchObject({ code: "timeout" });
    holder.kill("SIGKILL");
    await holder.exited;
    expect(await withLock(lock, async () => "got it")).toBe("got it");
  });

  test("is let go of when the work fails, and the failure comes through", async () => {
    const lock = path.join(dir, "failing.lock");
    await expect(withLock(lock, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(lock, async () => 7)).toBe(7);
    expect(existsSync(lock)).toBe(true);
  });
});
