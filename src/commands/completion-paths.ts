// What the completion scripts ask for where a path on the workspace may stand. Only a connection that is open already is
// asked: pressing Tab makes no session, waits for nobody, and never prints an error into the line that is being typed.
import { openSession } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { listPaths } from "../ssh/list-paths.ts";

/** In milliseconds: who presses Tab is waiting. */
const LONGEST_MS = 2000;

export default defineCommand({
  summary: "Print the paths on the workspace that the last word may become",
  rest: "the words of the command line so far",
  examples: [["runcode completion paths -- get src/", "what is in src"]],
  schema: () => import("../protocol/output/completion-paths.ts"),
  silent: { json: { paths: [] } },
  async run({ rest }, context) {
    const none = { json: { paths: [] } };
    const [typed, ...before] = rest.toReversed();
    // Another control plane's sessions are not looked for here, and those of the active one would be the wrong ones.
    if (typed === undefined || before.some((word) => /^--(?:profile|api-base)(?:=|$)/.test(word))) return none;
    const session = await openSession(context, namedIn(before.toReversed()));
    if (!session) return none;
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(LONGEST_MS)]);
    const paths = await listPaths(session, typed, { signal });
    return { json: { paths }, text: paths.join("\n") };
  },
});

/** The workspace that the line names, if it does. */
function namedIn(words: readonly string[]): string | undefined {
  if (words[0] === "ssh") return words.find((word, at) => at > 0 && !word.startsWith("-"));
  for (const [at, word] of words.entries()) {
    if (word === "--workspace" || word === "-w") return words[at + 1];
    if (word.startsWith("--workspace=")) return word.slice("--workspace=".length);
  }
  return undefined;
}
