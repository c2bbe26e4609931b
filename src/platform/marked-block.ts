// A block of ours in a text file of somebody else's: found by two marker lines, put in and taken out again so that nothing
// of the rest changes. Texts are handled as the file has them: its line ends, its missing last line end, any bytes.
import { RuncodeError } from "../protocol/errors.ts";

export interface Markers {
  readonly begin: string;
  readonly end: string;
}

export interface Block {
  /** Where it begins, and where what follows it begins. */
  readonly start: number;
  readonly stop: number;
  /** The lines between the markers, without their line ends. */
  readonly lines: readonly string[];
}

/** A line of the block which says that the text before it had no line end of its own. */
const NO_LINE_END = "# the line before this block had no line end";

export function markersOf(name: string): Markers {
  return { begin: `# >>> runcode ${name} >>>`, end: `# <<< runcode ${name} <<<` };
}

/** How this text ends its lines: as its first line does. */
export function lineEnd(text: string): "\n" | "\r\n" {
  const first = text.indexOf("\n");
  return first > 0 && text[first - 1] === "\r" ? "\r\n" : "\n";
}

/**
 * Finds the block. Throws RuncodeError `config_invalid`, with the line, where the markers are not exactly one pair: what
 * then belongs to whom cannot be known.
 */
export function findBlock(text: string, { begin, end }: Markers, file: string): Block | null {
  let start = -1;
  let block: Block | null = null;
  const inner: string[] = [];
  let offset = 0;
  let number = 0;
  for (const raw of text.split("\n")) {
    number++;
    const line = raw.trim();
    const next = Math.min(offset + raw.length + 1, text.length);
    if (line === begin) {
      if (start >= 0) throw damaged(file, number, block ? "a second block begins" : "a block begins inside the block");
      start = offset;
    } else if (line === end) {
      if (start < 0 || block) throw damaged(file, number, "a block ends that never began");
      block = { start, stop: next, lines: [...inner] };
    } else if (start >= 0 && !block) inner.push(raw.replace(/\r$/, ""));
    offset = next;
  }
  if (start >= 0 && !block) {
    throw damaged(file, text.slice(0, start).split("\n").length, "a block begins that never ends");
  }
  return block;
}

/** The text without the block, as it was before `withBlock`. */
export function withoutBlock(text: string, markers: Markers, file: string): string {
  const block = findBlock(text, markers, file);
  if (!block) return text;
  let before = text.slice(0, block.start);
  if (block.lines.includes(NO_LINE_END)) before = before.replace(/\r?\n$/, "");
  return before + text.slice(block.stop);
}

/** The text with the block at its top or its end, wherever one stood before. */
export function withBlock(
  text: string,
  markers: Markers,
  lines: readonly string[],
  { file, at }: { file: string; at: "top" | "end" },
): string {
  const rest = withoutBlock(text, markers, file);
  const eol = lineEnd(rest === "" ? text : rest);
  const render = (inner: readonly string[]): string =>
    [markers.begin, ...inner, markers.end].map((line) => line + eol).join("");
  if (at === "top") return render(lines) + rest;
  if (rest === "" || rest.endsWith("\n")) return rest + render(lines);
  return rest + eol + render([NO_LINE_END, ...lines]);
}

function damaged(file: string, line: number, what: string): RuncodeError {
  return new RuncodeError("config_invalid", `${file}:${line}: ${what}; the markers are damaged`, {
    hint: `look at line ${line} and make the markers one pair again, or delete them with what is between them`,
  });
}
