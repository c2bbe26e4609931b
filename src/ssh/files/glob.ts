// The names of files that a pattern means, found by the workspace's own find.
import { HEAD } from "../transfer/scripts.ts";
import { globPattern } from "./glob-pattern.ts";
import { firstLine, type Asked, type Question } from "./part.ts";

/** What is passed over wherever it is not asked for by name. */
export const PASSED_OVER = [".git", "node_modules"] as const;

/** Parameters beyond HEAD's: $4 how many bytes at most, $5 the pattern; the rest are names of directories to pass over. */
const FIND = `${HEAD}
[ -d "$D" ] || { [ ! -e "$D" ] || fail file; fail missing; }
cd -- "$D" 2>/dev/null || fail io "Permission denied"
most=$4 wide=$5
shift 5
say names
p=
for name do p="$p -name $name -prune -o"; done
find . $p ! -type d -path "$wide" -print0 2>/dev/null | head -c "$most"
`;

export function globOf({ key, from, workdir }: Asked, pattern: string, most: number): Question {
  const { wide, names } = globPattern(pattern);
  const over = PASSED_OVER.filter((name) => !names(name) && !from.path.split("/").includes(name));
  return { script: FIND, parameters: [key, workdir, from.path, String(most), wide, ...over] };
}

/** Takes what FIND wrote; gives the paths that the pattern matches, below the directory that was looked in, sorted. Throws as `firstLine`. */
export function readNames(output: Buffer, pattern: string, asked: Asked): readonly string[] {
  const { rest } = firstLine(output, "names", asked);
  const { matches } = globPattern(pattern);
  // What stands after the last NUL was cut off.
  const names = rest
    .subarray(0, rest.lastIndexOf(0) + 1)
    .toString("utf8")
    .split("\0")
    .slice(0, -1);
  return names
    .map((name) => name.replace(/^\.\//, ""))
    .filter(matches)
    .sort();
}
