// What people download, opened with the programs that they open it with.
import { execa } from "execa";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verify } from "../../scripts/release/macho/verify.ts";
import { archiveName, binaryName, TARGETS } from "../../scripts/release/targets.ts";
import { ROOT, testWith } from "../harness/index.ts";
import { ALL, binaryOf, BUILT, built, describeBuilt } from "./built.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "rc-release-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const sha256 = async (file: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
const unpack = async (name: string): Promise<string> => {
  const into = await mkdtemp(path.join(dir, "x-"));
  if (name.endsWith(".zip")) await execa("unzip", ["-q", built(name), "-d", into]);
  else await execa("tar", ["-xzf", built(name), "-C", into]);
  return into;
};

describeBuilt(BUILT.length > 0 ? [] : ["linux_x64"])("the release", () => {
  test("checksums.txt names every file that is published, with its hash, as sha256sum reads it", async () => {
    const checked = await execa("sha256sum", ["--strict", "-c", "checksums.txt"], { cwd: built() });
    const files = (await readdir(built(), { withFileTypes: true }))
      .filter((each) => each.isFile())
      .map(({ name }) => name);
    expect(
      checked.stdout
        .split("\n")
        .map((line) => line.replace(/: OK$/, ""))
        .toSorted(),
    ).toEqual(files.filter((name) => name !== "checksums.txt").toSorted());
  });

  testWith("unzip")(
    "every archive holds the binary, the papers and a manual page for each command",
    { timeout: 120_000 },
    async () => {
      for (const target of BUILT) {
        const into = await unpack(archiveName(target));
        const files = (await readdir(into, { recursive: true })) as string[];
        expect(files).toEqual(
          expect.arrayContaining([
            "README.md",
            "LICENSE",
            "THIRD_PARTY_LICENSES",
            "man/man1/runcode.1",
            "man/man1/runcode-exec.1",
            "docs/exit-codes.md",
            "docs/schemas/error.json",
            "docs/schemas/exec.json",
          ]),
        );
        const binary = path.join(into, binaryName(target));
        expect((await stat(binary)).mode & 0o777).toBe(0o755);
        expect(await sha256(binary)).toBe(await sha256(binaryOf(target.name)));
        await rm(into, { recursive: true });
      }
    },
  );

  test("the bill of materials and the licences name what is in the program, each once and with a hash", async () => {
    const bom = JSON.parse(await readFile(built("runcode.spdx.json"), "utf8")) as {
      spdxVersion: string;
      packages: { SPDXID: string; name: string; checksums?: { checksumValue: string }[] }[];
    };
    expect(bom.spdxVersion).toBe("SPDX-2.3");
    const [program, ...parts] = bom.packages;
    expect(program?.name).toBe("runcode");
    expect(parts.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["ssh2", "valibot", "hono", "@xterm/xterm", "@oven/bun-darwin-x64"]),
    );
    expect(parts.filter(({ checksums }) => !/^[0-9a-f]{128}$/.test(checksums?.[0]?.checksumValue ?? ""))).toEqual([]);
    expect(new Set(bom.packages.map(({ SPDXID }) => SPDXID)).size).toBe(bom.packages.length);
    const licences = await readFile(built("THIRD_PARTY_LICENSES.txt"), "utf8");
    for (const { name } of parts.filter((part) => !part.name.startsWith("@oven/")))
      expect(licences).toContain(`\n${name} `);
    expect(licences).not.toContain("vitest");
  });

  test("no path of the machine that built it is in a binary", async () => {
    for (const target of BUILT) expect((await readFile(binaryOf(target.name))).includes(ROOT)).toBe(false);
  });
});

for (const name of ["darwin_x64", "darwin_arm64"]) {
  describeBuilt([name])(`the signature of ${name}`, () => {
    test("is ad-hoc and has the hash of every page", async () => {
      const verdict = verify(await readFile(binaryOf(name)));
      expect(verdict.faults).toEqual([]);
      expect(verdict.pages).toBeGreaterThan(20_000);
    });

    test("is found wrong when one byte of the program is", async () => {
      const binary = await readFile(binaryOf(name));
      binary.writeUInt8(binary.readUInt8(50_000_000) ^ 1, 50_000_000);
      expect(verify(binary).faults).toEqual([expect.stringMatching(/^1 of \d+ pages/)]);
    });
  });
}

describeBuilt(["linux_x64"])("built again from the same sources", () => {
  test("every file has the same bytes", { timeout: 300_000 }, async () => {
    const again = path.join(dir, "again");
    const words = [
      "scripts/release/main.ts",
      "--only",
      "linux_x64,darwin_x64",
      "--out",
      again,
      "--no-tests",
      "--no-measuring",
    ];
    await execa(process.execPath, words, { cwd: ROOT });
    for (const name of [
      "runcode_linux_x64.tar.gz",
      "runcode_darwin_x64.tar.gz",
      "runcode.spdx.json",
      "THIRD_PARTY_LICENSES.txt",
    ])
      if (name !== "runcode_darwin_x64.tar.gz" || BUILT.some((target) => target.name === "darwin_x64"))
        expect([name, await sha256(path.join(again, name))]).toEqual([name, await sha256(built(name))]);
  });
});

describeBuilt(ALL)("Homebrew's formula", () => {
  testWith("ruby")("is Ruby, and names the archives with the hashes that they have", async () => {
    const file = built("Formula", "runcode.rb");
    expect((await execa("ruby", ["-c", file])).stdout).toBe("Syntax OK");
    const text = await readFile(file, "utf8");
    const pairs = [...text.matchAll(/url "https:\/\/[^"]*\/download\/v([^/"]+)\/([^"]+)"\n\s*sha256 "([0-9a-f]+)"/g)];
    expect(pairs.map(([, , archive]) => archive)).toHaveLength(4);
    const version = (await readFile(built("version.txt"), "utf8")).trim();
    for (const [, tag, archive = "", hash] of pairs)
      expect([tag, hash]).toEqual([version, await sha256(built(archive))]);
    expect(TARGETS.map(archiveName)).toEqual(expect.arrayContaining(pairs.map(([, , archive]) => archive)));
  });
});
