// The lines that a pattern is in, found by ripgrep where the workspace has it, else by its grep. Names end with a NUL, so that no name
// can be taken for a line.
import { HEAD } from "../transfer/scripts.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import { widened } from "./glob-pattern.ts";
import { PASSED_OVER } from "./glob.ts";
import { firstLine, type Asked, type Question } from "./part.ts";

export interface GrepOptions {
  readonly pattern: string;
  /** The pattern is a text and not an expression. */
  readonly fixed: boolean;
  readonly ignoreCase: boolean;
  /** Lines around each match. */
  readonly context: number;
  /** Only files that this pattern means: of the name, or with a slash in it of the path. */
  readonly glob: string | undefined;
  readonly filesOnly: boolean;
  /** Files that .gitignore names as well; grep does not know it and searches them anyway. */
  readonly ignored: boolean;
  /** How much the workspace sends, in bytes. */
  readonly most: number;
}

export interface Match {
  /** Below the directory that was searched. */
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** False for a line around a match. */
  readonly match: boolean;
}

export interface Matches {
  readonly engine: "rg" | "grep";
  readonly lines: readonly Match[];
  /** Whether a single file was searched; it is named by its last name then. */
  readonly single: boolean;
  /** With `filesOnly`. */
  readonly files: readonly string[];
  /** More was found than the workspace was to send. */
  readonly cut: boolean;
  /** Something could not be read. */
  readonly incomplete: boolean;
}

const LONGEST_LINE = 2000;

/**
 * Parameters beyond HEAD's: $4 the pattern, $5 how many bytes at most, $6 lines of context, $7 `i` or empty, $8 `F` or `E`, $9 a pattern
 * of names or empty, $10 `l` or empty, $11 `y` for ignored files as well.
 */
const GREP = `${HEAD}
[ -e "$D" ] || fail missing
if [ -d "$D" ]; then
  t=. what=directory
  cd -- "$D" 2>/dev/null || fail io "Permission denied"
else
  what=file
  t=./\${D##*/}
  cd -- "\${D%/*}/" 2>/dev/null || fail io "Permission denied"
fi
pattern=$4 most=$5 around=$6 fold=$7 kind=$8 names=$9 list=\${10} all=\${11}
if command -v rg >/dev/null; then
  engine=rg
  set -- --no-config --hidden ${PASSED_OVER.map((name) => `--glob '!${name}'`).join(" ")} --null --with-filename --no-heading --color never --no-messages --max-columns ${LONGEST_LINE} --max-columns-preview
  [ -z "$all" ] || set -- "$@" --no-ignore
  [ "$kind" = E ] || set -- "$@" --fixed-strings
  [ -z "$fold" ] || set -- "$@" --ignore-case
  [ -z "$names" ] || set -- "$@" --type-add "runcode:$names" --type runcode
  if [ -n "$list" ]; then set -- "$@" --files-with-matches
  else set -- "$@" --line-number --context "$around"
  fi
  search() { rg "$@" --regexp "$pattern" -- "$t"; }
else
  engine=grep
  set -- "-s$kind$fold"
  if [ -n "$list" ]; then set -- "$@" -l
  else
    set -- "$@" -n
    [ "$around" -eq 0 ] || set -- "$@" -C "$around"
  fi
  if grep --null -I -c x /dev/null >/dev/null 2>&1 || [ $? -eq 1 ]; then
    [ -z "$names" ] || set -- "$@" --include="$names"
    for name in ${PASSED_OVER.join(" ")}; do set -- "$@" --exclude-dir="$name"; done
    search() { grep -rHI --null "$@" -e "$pattern" -- "$t"; }
  else
    # A grep that does not end names with a NUL (busybox): file by file, so that the name is known.
    search() {
      # It reads no expression before it has read a line.
      echo | grep "$@" -e "$pattern" >/dev/null
      [ $? -lt 2 ] || return 2
      find "$t" -name .git -prune -o -name node_modules -prune -o -type f -name "\${names:-*}" -exec sh -c '
        pattern=$1 list=$2 n=$3
        shift 3
        options=
        while [ "$n" -gt 0 ]; do options="$options $1"; shift; n=$((n - 1)); done
        for f do
          if [ -n "$list" ]; then
            grep -q $options -e "$pattern" "$f" && printf "%s\\000" "$f"
          else
            grep $options -e "$pattern" "$f" | tr -d "\\000" | while IFS= read -r l; do printf "%s\\000%s\\n" "$f" "$l"; done
          fi
        done
        :' sh "$pattern" "$list" $# "$@" {} +
    }
  fi
fi
say found "$engine $what"
{ r=$( { { search "$@"; echo $? >&3; } | head -c "$most" >&4; } 3>&1 ); } 4>&1
printf '\\nruncode-end %s %s\\n' "$K" "$r"
`;

export function grepOf({ key, from, workdir }: Asked, options: GrepOptions): Question {
  const { pattern, fixed, ignoreCase, context, glob, filesOnly, ignored, most } = options;
  if (pattern === "" || pattern.includes("\0") || pattern.includes("\n"))
    throw new RuncodeError("usage", "the pattern is empty, or holds a NUL character or a line end");
  const names = glob === undefined ? "" : widened(glob.split("/").at(-1) ?? "");
  const flags = [ignoreCase ? "i" : "", fixed ? "F" : "E", names, filesOnly ? "l" : "", ignored ? "y" : ""];
  return { script: GREP, parameters: [key, workdir, from.path, pattern, String(most), String(context), ...flags] };
}

/** Takes what GREP wrote on both streams. Throws as `firstLine`, and `usage` for an expression that the workspace's program does not take. */
export function readMatches(output: Buffer, stderr: string, asked: Asked, { filesOnly, glob }: GrepOptions): Matches {
  const { line, rest } = firstLine(output, "found", asked);
  const [engine = "", what] = line.split(" ");
  const mark = rest.lastIndexOf(`\nruncode-end ${asked.key} `);
  const code = mark < 0 ? NaN : Number.parseInt(rest.toString("latin1", mark).split(" ")[2] ?? "", 10);
  const found = mark < 0 ? rest : rest.subarray(0, mark);
  if (code === 2 && found.length === 0 && stderr.trim() !== "")
    throw new RuncodeError(
      "usage",
      `the workspace's ${printable(engine)} does not take the pattern: ${lastLine(stderr)}`,
      {
        hint: "fixed: true takes it as a text",
      },
    );
  const means = glob === undefined ? () => true : meant(glob);
  return {
    engine: engine === "rg" ? "rg" : "grep",
    single: what === "file",
    // ripgrep looks into several files at once and tells them as they come; lines of one file stay in their order.
    lines: filesOnly
      ? []
      : linesOf(found)
          .filter(({ path }) => means(path))
          .sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path))),
    files: filesOnly ? namesOf(found).filter(means).sort() : [],
    // Whoever writes into a pipe that nobody reads any more is ended by SIGPIPE.
    cut: code > 128 || Number.isNaN(code),
    incomplete: code === 2,
  };
}

function namesOf(found: Buffer): string[] {
  return found
    .subarray(0, found.lastIndexOf(0) + 1)
    .toString("utf8")
    .split("\0")
    .slice(0, -1)
    .map(below);
}

function linesOf(found: Buffer): Match[] {
  const lines: Match[] = [];
  for (let at = 0; at < found.length;) {
    // Between groups that have lines around them; no name begins so, since all begin with "./".
    if (found.toString("latin1", at, at + 3) === "--\n") {
      at += 3;
      continue;
    }
    const nul = found.indexOf(0, at);
    const end = nul < 0 ? -1 : found.indexOf("\n", nul);
    if (end < 0) {
      // The last line of the last file may have no end of its own.
      if (nul < 0) break;
    }
    const stop = end < 0 ? found.length : end;
    const [, number, kind, text] = /^(\d+)([:-])([^]*)$/.exec(found.toString("utf8", nul + 1, stop)) ?? [];
    if (number !== undefined && text !== undefined)
      lines.push({
        path: below(found.toString("utf8", at, nul)),
        line: Number(number),
        text: text.slice(0, LONGEST_LINE),
        match: kind === ":",
      });
    at = stop + 1;
  }
  return lines;
}

const below = (name: string): string => name.replace(/^\.\//, "");

/** Without a slash it is about the name alone, wherever the file lies. */
function meant(glob: string): (path: string) => boolean {
  const pattern = new Bun.Glob(glob.includes("/") ? glob : `**/${glob}`);
  return (path) => pattern.match(path);
}

function lastLine(text: string): string {
  return printable(text.trim().split("\n").at(-1) ?? "").slice(0, 300);
}
