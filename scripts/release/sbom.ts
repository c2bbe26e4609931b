// The bill of materials, as SPDX 2.3 (JSON): what is in the program, from package-lock.json's versions and hashes.
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Bundled } from "./bundled.ts";
import type { Commit } from "./commit.ts";

const root = path.resolve(import.meta.dirname, "../..");
const DOCUMENT = "SPDXRef-DOCUMENT";
const PROGRAM = "SPDXRef-runcode";

/** Gives the document's text; the same commit gives the same one. */
export async function sbom(version: string, commit: Commit, packages: readonly Bundled[]): Promise<string> {
  const project = await integrities("package-lock.json");
  const runtimes = await integrities("release/package-lock.json");
  const parts = [
    ...packages.map((each) => ({ ...each, integrity: project.get(each.where) })),
    ...[...runtimes].map(([where, integrity]) => ({
      name: where.replace("node_modules/", ""),
      version: Bun.version,
      license: "MIT",
      integrity,
    })),
  ].map(({ name, version, license, integrity }) => ({
    ...common(
      `SPDXRef-npm-${`${name}-${version}`.replace(/[^A-Za-z0-9.-]+/g, "-").replace(/^-/, "")}`,
      name,
      version,
      license,
    ),
    ...(integrity ? { checksums: [{ algorithm: "SHA512", checksumValue: hex(integrity) }] } : {}),
    externalRefs: [
      {
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      },
    ],
  }));
  const relate = (from: string, relationshipType: string, to: string): object => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
  });
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: DOCUMENT,
    name: `runcode-${version}`,
    documentNamespace: `https://runcode.io/spdx/runcode-${version}-${commit.id}`,
    creationInfo: {
      created: new Date(commit.seconds * 1000).toISOString().replace(".000Z", "Z"),
      creators: ["Tool: runcode-release"],
    },
    packages: [common(PROGRAM, "runcode", version, "MIT"), ...parts],
    relationships: [
      relate(DOCUMENT, "DESCRIBES", PROGRAM),
      ...parts.map(({ SPDXID }) => relate(PROGRAM, "CONTAINS", SPDXID)),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function common(SPDXID: string, name: string, versionInfo: string, license: string) {
  return {
    SPDXID,
    name,
    versionInfo,
    licenseDeclared: license,
    licenseConcluded: license,
    copyrightText: "NOASSERTION",
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
  };
}

/** The hashes by which npm checks what it downloads. */
async function integrities(file: string): Promise<Map<string, string>> {
  const lock = JSON.parse(await readFile(path.join(root, file), "utf8")) as {
    packages: Record<string, { integrity?: string }>;
  };
  return new Map(
    Object.entries(lock.packages).flatMap(([where, { integrity }]) => (integrity ? [[where, integrity] as const] : [])),
  );
}

function hex(integrity: string): string {
  return Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
}
