// `runcode runtime resume`: a paused runtime goes on.
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";
import { RUNTIME_OPTIONS, runtimeClientOf } from "../runtime-client/command-options.ts";

export default defineCommand({
  summary: "Let a paused runtime go on",
  description: "Its processes go on where they were.",
  positionals: { runtime: { arity: "one", summary: "its id, its container's id or the beginning of that" } },
  options: RUNTIME_OPTIONS,
  examples: [["runcode runtime resume calc", "where it was"]],
  schema: () => import("../protocol/output/runtime-action.ts"),
  async run(args, { env, signal }) {
    const resumed = await runtimeClientOf(args, env).resumeRuntime(args.runtime, { signal });
    return { json: resumed, text: `${printable(resumed.runtime_id)} is ${printable(resumed.status)}.` };
  },
});
