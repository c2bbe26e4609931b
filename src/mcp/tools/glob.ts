import * as v from "valibot";
import { printable } from "../../protocol/text.ts";
import { globOf, PASSED_OVER, readNames } from "../../ssh/files/glob.ts";
import { globPattern } from "../../ssh/files/glob-pattern.ts";
import { ask, ROOM_FOR_NOISE } from "../ask.ts";
import { joined } from "../text-file.ts";
import { onWorkspace, remotePath, within, words, workspace } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";

/** What the workspace sends, in bytes. */
const MOST = 4 * 1024 * 1024;

export default defineTool({
  name: "glob",
  title: "Find files by name",
  description: `Files of the workspace whose path the pattern means, sorted. * and ? stay within a name, ** goes across directories: src/**/*.ts, \
**/*.{png,svg}, Makefile. Names that begin with a dot are found like others; ${PASSED_OVER.join(" and ")} are passed over unless the pattern or path says them.`,
  annotations: READS,
  input: v.strictObject({
    pattern: words("the pattern, of paths below path"),
    path: v.optional(remotePath("the directory to look in"), "."),
    limit: within(1, 10_000, 500, "how many to give"),
    workspace,
  }),
  output: v.object({
    ...onWorkspace,
    files: v.pipe(v.array(v.string()), v.description("as the other tools take them")),
    truncated: v.pipe(v.boolean(), v.description("whether there are more")),
  }),
  async run({ pattern, path, limit, workspace }, call) {
    const { base } = globPattern(pattern);
    const start = joined(path, base);
    const { session, answer } = await ask(call, workspace, start, {
      most: MOST + ROOM_FOR_NOISE,
      question: (asked) => globOf(asked, pattern, MOST),
      read: ({ stdout }, asked) => ({ names: readNames(stdout, pattern, asked), cut: stdout.length >= MOST }),
    });
    const files = answer.names.slice(0, limit).map((name) => joined(start, name));
    const truncated = answer.cut || answer.names.length > limit;
    const last = truncated ? ["[there are more]"] : files.length === 0 ? ["[none]"] : [];
    return {
      structured: { workspace: session.title, files, truncated },
      text: [...files.map(printable), ...last].join("\n"),
    };
  },
});
