// What a release writes about itself, and what makes it fail: tried out without building one.
import { execa } from "execa";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formula } from "../../scripts/release/formula.ts";
import { sbom } from "../../scripts/release/sbom.ts";
import { archiveName, TARGETS } from "../../scripts/release/targets.ts";
import { grown, type Tracked } from "../../scripts/release/tracked.ts";
import { testWith } from "../harness/index.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "rc-papers-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("Homebrew's formula", () => {
  const checksums = new Map(TARGETS.map((target, at) => [archiveName(target), String(at).repeat(64)]));

  testWith("ruby")("is Ruby, and pairs each archive that Homebrew takes with its checksum", async () => {
    const file = path.join(dir, "runcode.rb");
    const text = formula("1.2.3", checksums);
    await writeFile(file, text);
    expect((await execa("ruby", ["-c", file])).stdout).toBe("Syntax OK");
    const pairs = [...text.matchAll(/url "[^"]*\/download\/v1\.2\.3\/([^"]+)"\n\s*sha256 "([0-9a-f]{64})"/g)];
    expect(pairs.map(([, archive]) => archive)).toEqual([
      "runcode_darwin_arm64.tar.gz",
      "runcode_darwin_x64.tar.gz",
      "runcode_linux_arm64.tar.gz",
      "runcode_linux_x64-baseline.tar.gz",
    ]);
    for (const [, archive = "", checksum] of pairs) expect(checksum).toBe(checksums.get(archive));
  });

  test("is not written without one of them", () => {
    checksums.delete("runcode_darwin_x64.tar.gz");
    expect(() => formula("1.2.3", checksums)).toThrow("runcode_darwin_x64.tar.gz");
  });
});

test("the bill of materials has all that SPDX 2.3 asks for, and no two things of one name", async () => {
  const commit = { id: "0123456789abcdef", seconds: 1_700_000_000, dirty: false };
  const parts = ["hono", "ssh2", "@xterm/xterm"].map((name) => ({
    name,
    where: `node_modules/${name}`,
    version: "1.0.0",
    license: "MIT",
    text: "…",
  }));
  const text = await sbom("1.2.3", commit, parts);
  expect(await sbom("1.2.3", commit, parts)).toBe(text);
  const document = JSON.parse(text) as {
    packages: Record<string, string>[];
    relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
  };
  // https://spdx.github.io/spdx-spec/v2.3: clauses 6 (the document), 7 (packages) and 11 (relationships).
  expect(document).toMatchObject({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: expect.stringMatching(/\S/) as string,
    documentNamespace: expect.stringMatching(/^https:\/\/[^#\s]+0123456789abcdef$/) as string,
    creationInfo: {
      created: "2023-11-14T22:13:20Z",
      creators: [expect.stringMatching(/^(Tool|Organization|Person): /)],
    },
  });
  for (const each of document.packages) {
    expect(each["SPDXID"]).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
    expect(each).toMatchObject({
      name: expect.stringMatching(/\S/) as string,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: expect.stringMatching(/^[A-Za-z0-9.+-]+$/) as string,
    });
  }
  const ids = document.packages.map(({ SPDXID }) => SPDXID);
  expect(new Set(ids).size).toBe(ids.length);
  // The document describes the program, and that contains every other package.
  const [described, ...contained] = document.relationships;
  expect(described).toEqual({
    spdxElementId: "SPDXRef-DOCUMENT",
    relationshipType: "DESCRIBES",
    relatedSpdxElement: "SPDXRef-runcode",
  });
  expect(contained.map((each) => [each.spdxElementId, each.relationshipType])).toEqual(
    contained.map(() => ["SPDXRef-runcode", "CONTAINS"]),
  );
  expect(["SPDXRef-runcode", ...contained.map((each) => each.relatedSpdxElement)]).toEqual(ids);
});

describe("growth since the last release", () => {
  const before: Tracked = { size: { linux_x64: 1000, darwin_x64: 2000 }, start: { runcode: 20, empty: 5, npm: 22 } };
  const after = (change: Partial<Tracked>): string[] => grown(before, { ...before, ...change });

  test("of a binary by more than a tenth fails it, and says which", () => {
    expect(after({ size: { linux_x64: 1100, darwin_x64: 2200 } })).toEqual([]);
    expect(after({ size: { linux_x64: 1101, darwin_x64: 2000 } })).toEqual([
      expect.stringMatching(/^linux_x64 grew from 1000 to 1101/),
    ]);
    expect(after({ size: { linux_arm64: 99_999 } })).toEqual([]);
  });

  test("of the start-up by more than a tenth fails it, measured against an empty program on the same machine", () => {
    expect(after({ start: { runcode: 44, empty: 10, npm: 46 } })).toEqual([]);
    expect(after({ start: { runcode: 22.1, empty: 5, npm: 24 } })).toEqual([expect.stringContaining("start-up grew")]);
    expect(after({ start: null })).toEqual([]);
  });

  test("is no excuse for npm's command: more than 10 ms behind the bare binary fails it", () => {
    expect(after({ start: { runcode: 20, empty: 5, npm: 30 } })).toEqual([]);
    expect(after({ start: { runcode: 20, empty: 5, npm: 30.1 } })).toEqual([expect.stringContaining("npm")]);
  });
});
