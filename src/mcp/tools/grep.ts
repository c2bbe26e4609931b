import * as v from "valibot";
import { printable } from "../../protocol/text.ts";
import { PASSED_OVER } from "../../ssh/files/glob.ts";
import { grepOf, readMatches, type Matches } from "../../ssh/files/grep.ts";
import { ask, ROOM_FOR_NOISE } from "../ask.ts";
import { flag, onWorkspace, remotePath, within, words, workspace } from "../fields.ts";
import { joined } from "../text-file.ts";
import { defineTool, READS } from "../tool.ts";

/** What the workspace sends, in bytes. */
const MOST = 2 * 1024 * 1024;
/** Of a line, in characters. */
const LONGEST = 500;

export default defineTool({
  name: "grep",
  title: "Find lines by content",
  description: `Lines of the workspace's files that an expression is in: an extended regular expression as grep -E takes it, with what ripgrep adds where \
the workspace has it (engine says which it was; ripgrep leaves out what .gitignore names). Files that are no text, and ${PASSED_OVER.join(" and ")}, are passed over.`,
  annotations: READS,
  input: v.strictObject({
    pattern: words("the expression, within one line"),
    path: v.optional(remotePath("the directory or file to search"), "."),
    glob: v.exactOptional(words("only files with such a name, or with a slash in it such a path: *.ts, src/**/*.py")),
    fixed: flag("the pattern is a text, not an expression"),
    ignore_case: flag("whatever the case"),
    files_only: flag("the files alone, without lines"),
    include_ignored: flag("what .gitignore names as well"),
    context: within(0, 20, 0, "lines before and after each"),
    limit: within(1, 5000, 200, "how many lines or files to give"),
    workspace,
  }),
  output: v.object({
    ...onWorkspace,
    engine: v.picklist(["rg", "grep"]),
    files: v.pipe(v.array(v.string()), v.description("those that have a match, as the other tools take them")),
    lines: v.array(
      v.object({
        path: v.string(),
        line: v.number(),
        text: v.pipe(v.string(), v.description(`at most ${LONGEST} characters of it`)),
        match: v.pipe(v.boolean(), v.description("false for a line around a match")),
      }),
    ),
    truncated: v.pipe(v.boolean(), v.description("whether there are more")),
    incomplete: v.pipe(v.boolean(), v.description("whether something could not be read")),
  }),
  async run({ path, limit, workspace, ...args }, call) {
    const options = {
      pattern: args.pattern,
      fixed: args.fixed,
      ignoreCase: args.ignore_case,
      context: args.context,
      glob: args.glob,
      filesOnly: args.files_only,
      ignored: args.include_ignored,
      most: MOST,
    };
    const { session, answer } = await ask(call, workspace, path, {
      most: MOST + ROOM_FOR_NOISE,
      question: (asked) => grepOf(asked, options),
      read: ({ stdout, stderr }, asked) => readMatches(stdout, stderr, asked, options),
    });
    return told(session.title, path, limit, answer);
  },
});

function told(
  workspace: string,
  path: string,
  limit: number,
  { engine, single, lines, files, cut, incomplete }: Matches,
) {
  const place = (name: string): string => (single ? path : joined(path, name));
  const kept = lines
    .slice(0, limit)
    .map(({ path, text, ...rest }) => ({ path: place(path), text: text.slice(0, LONGEST), ...rest }));
  const found = (
    files.length > 0
      ? files.slice(0, limit).map(place)
      : [...new Set(kept.filter(({ match }) => match).map(({ path }) => path))]
  ).sort();
  const truncated = cut || lines.length > limit || files.length > limit;
  const shown =
    lines.length > 0 ? kept.map(({ path, line, match, text }) => `${path}:${line}${match ? ":" : "-"}${text}`) : found;
  const last = [
    ...(shown.length === 0 ? ["[none]"] : []),
    ...(truncated ? ["[there are more]"] : []),
    ...(incomplete ? ["[something could not be read]"] : []),
  ];
  return {
    structured: { workspace, engine, files: found, lines: kept, truncated, incomplete },
    text: [...shown.map(printable), ...last].join("\n"),
  };
}
