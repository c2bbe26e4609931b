// Where the release under test lies: `npm run release` sets RUNCODE_RELEASE when it has built one. Without it none of these tests
// is looked for (vitest.config.ts); dist/runcode, which `npm test` builds, is the same program for this machine alone.
import { existsSync } from "node:fs";
import path from "node:path";
import { describe, test } from "vitest";
import { archiveName, binaryName, TARGETS, type Target } from "../../scripts/release/targets.ts";

export const RELEASE = process.env["RUNCODE_RELEASE"] ?? "";

export function built(...parts: string[]): string {
  return path.join(RELEASE, ...parts);
}

/** The targets that this release was built for. */
export const BUILT: readonly Target[] = TARGETS.filter(
  (target) => RELEASE !== "" && existsSync(built(archiveName(target))),
);
export function binaryOf(name: string): string {
  const target = TARGETS.find((each) => each.name === name);
  if (!target) throw new Error(`there is no target ${name}`);
  return built("bin", name, binaryName(target));
}

/** What a test of the whole release needs. */
export const ALL = TARGETS.map(({ name }) => name);

/** Gives `describe` where these targets were built, else one that skips and says why. */
export function describeBuilt(names: readonly string[]): (title: string, body: () => void) => void {
  const lacking = names.filter((name) => !BUILT.some((target) => target.name === name));
  if (lacking.length === 0) return (title, body) => describe(title, body);
  const reason = `needs a release of more platforms: ${lacking.join(", ")}`;
  // Without the body, which would ask for tools that nothing here needs.
  return (title) => describe.skip(`${title} (${reason})`, () => test("is not tried out", () => {}));
}
