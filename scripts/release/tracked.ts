// Size and start-up from one release to the next: release/tracked.json holds what the last one had, bench/RESULTS.md shows it.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const root = path.resolve(import.meta.dir, "../..");
const file = path.join(root, "release", "tracked.json");
const MOST_GROWTH = 1.1;
const STARTS = 40;

export interface Tracked {
  /** Bytes of the bare binary, by target. */
  readonly size: Readonly<Record<string, number>>;
  /** Milliseconds to the end of `runcode --version` and of an empty program on the same Bun, each at its best. */
  readonly start: { readonly runcode: number; readonly empty: number } | null;
}

export async function lastTracked(): Promise<Tracked> {
  return JSON.parse(await readFile(file, "utf8").catch(() => '{"size":{},"start":null}')) as Tracked;
}

/** Gives what grew by more than a tenth, in words. Start-up is judged by its distance to the empty program's. */
export function grown(before: Tracked, now: Tracked): string[] {
  const sizes = Object.entries(now.size).flatMap(([target, bytes]) => {
    const was = before.size[target];
    return was !== undefined && bytes > was * MOST_GROWTH ? [`${target} grew from ${was} to ${bytes} bytes`] : [];
  });
  if (!before.start || !now.start) return sizes;
  const [was, is] = [before.start, now.start].map(({ runcode, empty }) => runcode / empty) as [number, number];
  if (is <= was * MOST_GROWTH) return sizes;
  return [...sizes, `start-up grew from ${was.toFixed(2)} to ${is.toFixed(2)} times that of an empty program`];
}

/** Runs both programs in turn; of each the fastest run counts, since a busy machine only ever adds. */
export async function measureStart(binary: string, empty: string): Promise<NonNullable<Tracked["start"]>> {
  const best = { runcode: Infinity, empty: Infinity };
  for (let round = 0; round < STARTS; round++) {
    best.runcode = Math.min(best.runcode, await timed([binary, "--version"]));
    best.empty = Math.min(best.empty, await timed([empty]));
  }
  return { runcode: Number(best.runcode.toFixed(1)), empty: Number(best.empty.toFixed(1)) };
}

async function timed(argv: string[]): Promise<number> {
  const started = performance.now();
  if ((await Bun.spawn(argv, { stdout: "ignore" }).exited) !== 0) throw new Error(`${argv.join(" ")} failed`);
  return performance.now() - started;
}

/** Keeps the figures for the next release, and shows them in a section of bench/RESULTS.md that is theirs. */
export async function keep(now: Tracked, archives: ReadonlyMap<string, number>): Promise<void> {
  await writeFile(file, `${JSON.stringify(now, null, 2)}\n`);
  const mib = (bytes: number | undefined): string => ((bytes ?? 0) / 2 ** 20).toFixed(1);
  const rows = Object.entries(now.size).map(
    ([target, bytes]) => `| ${target} | ${mib(bytes)} | ${mib(archives.get(target))} |`,
  );
  const start = now.start
    ? `\`runcode --version\` ends after ${now.start.runcode} ms, an empty program compiled by the same Bun after ${now.start.empty} ms (linux_x64, best of ${STARTS}).\n`
    : "";
  const section = `<!-- binaries -->
## Binaries

Written by \`npm run release -- --write\`; more than 10 % of growth fails the release.

| platform | binary, MiB | archive, MiB |
|---|---:|---:|
${rows.join("\n")}

${start}<!-- end binaries -->
`;
  const results = path.join(root, "bench", "RESULTS.md");
  const before = await readFile(results, "utf8").catch(() => "# What was measured\n\n<!-- results -->\n<!-- end -->\n");
  const without = before.replace(/<!-- binaries -->[\s\S]*?<!-- end binaries -->\n*/, "");
  await writeFile(
    results,
    without.replace("<!-- results -->", () => `${section}\n<!-- results -->`),
  );
}
