// The npm packages, as npm installs them: no registry, no install scripts, an empty prefix.
import { execa } from "execa";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testHome, type TestHome } from "../harness/index.ts";
import { ALL, built, describeBuilt } from "./built.ts";

const here = `linux-${process.arch}`;
let home: TestHome;
let prefix: string;
beforeAll(async () => {
  home = await testHome();
  prefix = await mkdtemp(path.join(os.tmpdir(), "rc-npm-"));
});
afterAll(async () => {
  await home.remove();
  await rm(prefix, { recursive: true, force: true });
});

const tarballs = async (): Promise<string[]> =>
  (await readdir(built("npm")))
    .filter(
      (file) => file.startsWith("runcode-0") || /^runcode-\d/.test(file) || file.startsWith(`runcode-io-${here}-0`),
    )
    .map((file) => built("npm", file));
const install = async (...words: string[]): Promise<unknown> =>
  execa(
    "npm",
    [
      "install",
      "--ignore-scripts",
      "--offline",
      "--no-audit",
      "--no-fund",
      "--prefix",
      prefix,
      ...words,
      ...(await tarballs()),
    ],
    {
      env: { ...home.env, npm_config_cache: path.join(prefix, "cache") },
    },
  );

describeBuilt(ALL)("the npm packages", () => {
  test.each([
    ["globally", ["--global"], "bin/runcode"],
    ["in a project", [], "node_modules/.bin/runcode"],
  ])("installed %s, runcode runs", { timeout: 120_000 }, async (_, words, bin) => {
    await install(...words);
    const { stdout } = await execa(path.join(prefix, bin), ["--version"], { env: home.env, extendEnv: false });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+$/);
    const failed = await execa(path.join(prefix, bin), ["exec", "--", "a b"], {
      env: home.env,
      extendEnv: false,
      reject: false,
    });
    expect(failed.exitCode).toBe(255);
  });

  test("no package has install scripts", async () => {
    for (const file of await readdir(built("npm"))) {
      const { stdout } = await execa("tar", ["-xzOf", built("npm", file), "package/package.json"]);
      expect(JSON.parse(stdout)).not.toHaveProperty("scripts");
    }
  });
});
