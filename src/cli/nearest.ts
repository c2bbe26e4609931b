// "did you mean": the known word that a typing error most likely stands for.

/** Takes a word and the known ones; gives the nearest of at most two edits, if any. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  return known
    .map((candidate) => [edits(word, candidate), candidate] as const)
    .filter(([distance, candidate]) => distance <= 2 && distance < candidate.length)
    .sort(([a], [b]) => a - b)[0]?.[1];
}

/** Levenshtein's distance, a row at a time. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
