// Size and start-up from one release to the next: release/tracked.json holds what the last one had, bench/RESULTS.md shows it.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const file = path.join(root, "release", "tracked.json");
const MOST_GROWTH = 1.1;
const STARTS = 40;
/** What npm's command may add to a start, in milliseconds. */
const MOST_BEHIND = 10;

export interface Tracked {
  /** Bytes of the bare binary, by target. */
  readonly size: Readonly<Record<string, number>>;
  readonly start: Start | null;
}

/** Milliseconds to the end of `runcode --version`, of an empty program on the same Bun, and of npm's `runcode --version`, each at its best. */
export interface Start {
  readonly runcode: number;
  readonly empty: number;
  readonly npm?: number;
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
  return [...sizes, ...slower(before.start, now.start)];
}

function slower(before: Start | null, now: Start | null): string[] {
  const found: string[] = [];
  if (before && now) {
    const [was, is] = [before, now].map(({ runcode, empty }) => runcode / empty) as [number, number];
    if (is > was * MOST_GROWTH)
      found.push(`start-up grew from ${was.toFixed(2)} to ${is.toFixed(2)} times that of an empty program`);
  }
  if (now?.npm !== undefined && now.npm - now.runcode > MOST_BEHIND)
    found.push(`npm's command ends after ${now.npm} ms, the bare binary after ${now.runcode} ms`);
  return found;
}

/** By what each is started: the bare binary, the empty program, and npm's command where there is one. */
export type Starters = Readonly<Record<"runcode" | "empty", string> & { npm: string | undefined }>;

/**
 * Runs the programs in turn; of each the fastest run counts, since a busy machine only ever adds. For the same reason it is
 * done again, twice at most, where the result would fail the release.
 */
export async function measureStart(starters: Starters, before: Tracked): Promise<Start> {
  const best: Record<string, number> = {};
  const start = (): Start => best as unknown as Start;
  for (let round = 0; round < 3 * STARTS; round++) {
    if (round > 0 && round % STARTS === 0 && slower(before.start, start()).length === 0) break;
    for (const [name, program] of Object.entries(starters)) {
      if (program === undefined) continue;
      const ms = Number((await timed(name === "empty" ? [program] : [program, "--version"])).toFixed(1));
      best[name] = Math.min(best[name] ?? Infinity, ms);
    }
  }
  return start();
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
    ? `\`runcode --version\` ends after ${now.start.runcode} ms, an empty program compiled by the same Bun after ${now.start.empty} ms${
        now.start.npm === undefined ? "" : `, npm's command after ${now.start.npm} ms`
      } (linux_x64, best of ${STARTS} or more).\n`
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
