// A change of a file as a person reads it: the lines that go and the lines that come.
import { printable } from "../../protocol/text.ts";
import type { FileChange } from "./index.ts";

export function changeText({ file, before, after }: FileChange): string {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < Math.min(old.length, fresh.length) && old[head] === fresh[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, fresh.length) - head && old.at(-1 - tail) === fresh.at(-1 - tail)) tail++;
  const show = (sign: string, lines: readonly string[]): string[] =>
    lines.slice(head, lines.length - tail).map((line) => `${sign}${printable(line)}`);
  const what = before === null ? " (new)" : after === null ? " (removed)" : "";
  return [`${file}${what}, line ${head + 1}:`, ...show("-", old), ...show("+", fresh)].join("\n");
}

function linesOf(text: string | null): readonly string[] {
  return text === null || text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
