// Mounts that others make on the machine are nothing to a workspace that does not see them.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { BINARY, runProgram, testHome, testWith } from "../harness/index.ts";

const may = process.platform === "linux" && process.getuid?.() === 0;
const LONGEST = 4090;

(may ? testWith("bwrap") : test.skip)(
  "a server with namespaces starts beside a mount that bwrap can do nothing with (only root may make one)",
  async () => {
    const home = await testHome();
    const data = ["--data-dir", path.join(home.dir, "srv")];
    onTestFinished(async () => {
      await runProgram(["serve", "--stop", ...data], { env: home.env });
      await home.remove();
    });
    // One whose path is too long once bwrap has put its own directory before it. One that went away in the middle fails as it does.
    let where = path.join(home.dir, "mount");
    while (where.length < LONGEST) where = path.join(where, "x".repeat(Math.min(200, LONGEST - where.length)));
    mkdirSync(where, { recursive: true });
    // In mounts of its own, which nobody else sees.
    const mounted = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$1" && shift && exec "$@"', "sh", where];
    const words = ["serve", "--detach", "--json", "--driver", "namespace", ...data];
    const free = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"];
    const [program = "", ...args] = [...mounted, BINARY, ...words, ...free];
    const { stdout } = await execa(program, args, { env: home.env, extendEnv: false, reject: false });
    expect(JSON.parse(stdout)).toMatchObject({ drivers: ["namespace"] });
  },
);
