// How everything is measured: each row runs ours and its references in turn, round after round, so that a noisy machine is
// noisy for all of them; what counts is the ratio of the medians.

/** One timed thing. `before` is not timed: it puts things back for the next round. */
export interface Contestant {
  readonly name: string;
  readonly before?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
}

export interface Row {
  readonly what: string;
  readonly ours: Contestant;
  readonly references: readonly Contestant[];
  /** ours ÷ the first reference is to be at most this. */
  readonly target?: number;
  /** Fewer rounds for the long ones; at least 15 for all that have a target. */
  readonly rounds?: number;
}

export interface Measured {
  readonly what: string;
  readonly ours: number;
  readonly references: readonly { readonly name: string; readonly value: number }[];
  readonly unit: "ms" | "KiB";
  readonly target: number | undefined;
  readonly rounds: number;
  readonly note?: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Runs a row interleaved, one round of each unmeasured first; gives medians in milliseconds. */
export async function measure(row: Row, rounds: number): Promise<Measured> {
  const all = [row.ours, ...row.references];
  const times = all.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, contestant] of all.entries()) {
      await contestant.before?.();
      const started = performance.now();
      await contestant.run();
      if (round >= 0) times[i]?.push(performance.now() - started);
    }
  }
  const [ours, ...references] = times.map(median);
  return {
    what: row.what,
    ours: ours as number,
    references: row.references.map(({ name }, i) => ({ name, value: references[i] as number })),
    unit: "ms",
    target: row.target,
    rounds,
  };
}

/** Runs a program to its end and fails loudly unless it exits 0, so that nothing broken is ever measured. */
export async function sh(
  argv: readonly string[],
  options: { env?: Record<string, string>; stdin?: string; cwd?: string; out?: string } = {},
): Promise<void> {
  const child = Bun.spawn([...argv], {
    stdin: options.stdin === undefined ? "ignore" : Bun.file(options.stdin),
    stdout: options.out === undefined ? "ignore" : Bun.file(options.out),
    stderr: "pipe",
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [exit, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (exit !== 0) throw new Error(`${argv.join(" ")} exited ${exit}: ${stderr}`);
}

/** The table as Markdown, which reads well in a terminal too. */
export function table(rows: readonly Measured[]): string {
  const number = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toString());
  const cells = rows.map((row) => {
    const [first] = row.references;
    const ratio = first ? row.ours / first.value : Number.NaN;
    const verdict = row.target === undefined ? "" : ratio <= row.target ? "met" : "**missed**";
    return [
      row.what,
      `${number(row.ours)} ${row.unit}`,
      row.references.map(({ name, value }) => `${name} ${number(value)} ${row.unit}`).join(", "),
      Number.isNaN(ratio) ? "" : ratio.toFixed(2),
      row.target === undefined ? "" : `≤ ${row.target.toFixed(1)}`,
      verdict,
      [`${row.rounds} rounds`, row.note].filter(Boolean).join("; "),
    ];
  });
  const head = ["what", "ours", "reference", "ratio", "target", "", "how"];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => (row[i] as string).length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] as number)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...cells.map(line)].join("\n");
}
