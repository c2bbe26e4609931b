// Who an image's programs are, where its files say so in an odd way, and what its variables do to ours.
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";
import { describeEngines } from "../harness/engines.ts";
import { importImage } from "./images.ts";
import { containersOf, run, engineSubject, type EngineSubject } from "./subjects.ts";

const busybox = readFileSync("/bin/busybox");
const SOMEONE = "root:x:0:0::/root:/bin/sh\nsomeone:x:1234:1234::/home/someone:/bin/sh\n";
const programs = { "bin/sh": busybox, "bin/id": busybox, "bin/cat": busybox, "bin/pwd": busybox, "bin/env": busybox };

describeEngines(
  (kind) => `what an image says on ${kind}`,
  (kind, address) => {
    let on: EngineSubject;
    beforeAll(async () => {
      on = await engineSubject(kind, address);
    });
    afterAll(async () => await on.close());
    const started = async (
      name: string,
      files: Parameters<typeof importImage>[2],
      changes: readonly string[],
    ): Promise<Sandbox> => {
      const image = await importImage(on.engine, `runcode-${name}-${kind}`, { ...programs, ...files }, changes);
      const spec = { ...on.spec(), image };
      await on.driver.create(spec);
      return await on.driver.start(spec);
    };

    test.each([
      ["absolute", { "nix/store/passwd": SOMEONE, "etc/passwd": { link: "/nix/store/passwd" } }],
      [
        "relative and of two steps",
        { "nix/passwd": SOMEONE, "nix/link": { link: "passwd" }, "etc/passwd": { link: "../nix/link" } },
      ],
      ["beyond the root, which is the root", { "nix/passwd": SOMEONE, "etc/passwd": { link: "../../../nix/passwd" } }],
    ])("an account behind a link that is %s is found", async (_, files) => {
      const sandbox = await started("linked", files, ["USER someone"]);
      expect((await run(sandbox, "id -u; cd ~/workspace && pwd; cat /proc/self/status")).stdout).toMatch(
        /^1234\n\/home\/someone\/workspace\n[^]*CapEff:\s+0+\n/,
      );
      await sandbox.stop({ graceMs: 0 });
    });

    test.each([
      ["it has none", {}],
      ["it is of others", { "etc/passwd": "root:x:0:0::/root:/bin/sh\n" }],
      ["it is a link that leads nowhere", { "etc/passwd": { link: "/nowhere" } }],
    ])("a user whom the image's passwd does not name, since %s, is nobody and never root", async (_, files) => {
      await expect(started("unnamed", files, ["USER someone"])).rejects.toMatchObject({
        code: "start_failed",
        message: expect.stringContaining("someone") as string,
      });
    });

    test.each([
      ["the home", { "data/file": "", "home/someone": { link: "/data" } }],
      ["what homes are in", { "data/someone/file": "", home: { link: "/data" } }],
    ])("where %s is a link to another place the project directory is there all the same", async (_, links) => {
      const made = started("link-home", { "etc/passwd": SOMEONE, ...links }, ["USER someone"]);
      if ("home" in links) {
        await expect(made).rejects.toMatchObject({
          code: "start_failed",
          message: expect.stringContaining("home") as string,
        });
        return;
      }
      const sandbox = await made;
      expect((await run(sandbox, "cd ~/workspace && pwd && echo x > file && cat file")).stdout).toBe(
        "/home/workspace/workspace\nx\n",
      );
      await sandbox.stop({ graceMs: 0 });
    });

    test("variables for another Bun, Node or loader change nothing of ours, and reach the programs", async () => {
      const own = ["BUN_BE_BUN=1", "BUN_OPTIONS=--smol", "NODE_OPTIONS=--trace-exit", "LD_PRELOAD=/none.so"];
      const garbage = kind === "docker" ? ["BUN_JSC_useJIT=garbage"] : [];
      const changes = [...own, ...garbage, "BUN_JSC_useConcurrentGC=1"].map((variable) => `ENV ${variable}`);
      const sandbox = await started("variables", { "etc/passwd": SOMEONE }, changes);
      const { stdout } = await run(sandbox, ["/bin/env"]);
      const lines = stdout.split("\n");
      expect(lines).toEqual(expect.arrayContaining([...own, ...garbage, "BUN_JSC_useConcurrentGC=1"]));
      expect(lines.filter((line) => /^(RUNCODE_ASIDE|BUN_JSC_(useConcurrentJIT|numberOfGC))/.test(line))).toEqual([]);
      const sftp = await sandbox.sftp();
      sftp.stdin.end(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
      // SSH_FXP_VERSION, 3 (draft-ietf-secsh-filexfer-02 §4).
      expect((await buffer(sftp.stdout)).subarray(4, 9)).toEqual(Buffer.from([2, 0, 0, 0, 3]));
      const receive = await run(sandbox, ["/.runcode/receive"], { input: "x" });
      expect(receive).toMatchObject({ exit: { code: 0 }, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) as string });
      await sandbox.stop({ graceMs: 0 });
    });

    test("programs of an image without such variables see none of ours", async () => {
      const sandbox = await started("plain", { "etc/passwd": SOMEONE }, ["ENV PLAIN=1"]);
      const { stdout } = await run(sandbox, ["/bin/env"]);
      expect(stdout).toContain("PLAIN=1\n");
      expect(stdout).not.toMatch(/^(BUN|NODE|RUNCODE)_/m);
      await sandbox.stop({ graceMs: 0 });
    });

    // Docker takes every such variable away.
    if (kind !== "docker")
      test("a first process that ends at its start is told of by its exit code and by the variable that did it", async () => {
        const spec = { ...on.spec() };
        await expect(started("garbage", {}, ["ENV BUN_JSC_useJIT=garbage"])).rejects.toMatchObject({
          code: "start_failed",
          message: expect.stringMatching(/has ended with exit code 1$/) as string,
          hint: expect.stringContaining("BUN_JSC_useJIT") as string,
        });
        expect(await containersOf(on.engine, on, spec)).toEqual([]);
      });
  },
);
