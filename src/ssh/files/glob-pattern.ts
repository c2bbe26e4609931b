// What a pattern of names means: `*` and `?` within a name, `**` across directories, [a-z], {one,other}. The workspace's find knows less, so
// it is given a pattern that lets more through, and what came is matched here.
import { RuncodeError } from "../../protocol/errors.ts";

export interface GlobPattern {
  /** The directories that the pattern begins with, as far as nothing in them is a wildcard: "" or `src/app`. */
  readonly base: string;
  /** For `find -path`, of a path below the base that begins with `./`. */
  readonly wide: string;
  /** Takes a path below the base, without `./`. */
  readonly matches: (below: string) => boolean;
  /** Whether the pattern itself says this name, so that it is meant although such directories are passed over. */
  readonly names: (name: string) => boolean;
}

/** Throws RuncodeError `usage` for a pattern that is empty or holds a NUL. */
export function globPattern(pattern: string): GlobPattern {
  if (pattern === "" || pattern.includes("\0"))
    throw new RuncodeError("usage", "the pattern is empty or holds a NUL character");
  const segments = pattern.replace(/^\.\//, "").split("/");
  const wild = segments.findIndex((segment) => /[*?[{\\]/.test(segment));
  const fixed = segments.slice(0, wild < 0 ? -1 : wild);
  const rest = segments.slice(fixed.length).join("/");
  const glob = new Bun.Glob(rest);
  return {
    base: fixed.length === 1 && fixed[0] === "" ? "/" : fixed.join("/"),
    wide: `./${widened(rest)}`,
    matches: (below) => glob.match(below),
    names: (name) => segments.includes(name),
  };
}

/** Takes a pattern; gives one of literals and `*` alone (which crosses directories in find, and bytes of a character) that matches at least as much. */
export function widened(pattern: string): string {
  return pattern
    .replace(/\\(.)|\[[^\]]*\]|\{(?:[^{}]|\{[^{}]*\})*\}|\*\*\/|[*?]|[[{\]}\\]/g, (_, escaped?: string) =>
      escaped === undefined ? "*" : /[A-Za-z0-9._-]/.test(escaped) ? escaped : "*",
    )
    .replace(/\*+/g, "*");
}
