// `runcode runtime pause`: every process of a runtime stands still.
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";
import { RUNTIME_OPTIONS, runtimeClientOf } from "../runtime-client/command-options.ts";

export default defineCommand({
  summary: "Freeze a running runtime",
  description: "Every process in it stands still until it is resumed; its memory and files stay.",
  positionals: { runtime: { arity: "one", summary: "its id, its container's id or the beginning of that" } },
  options: RUNTIME_OPTIONS,
  examples: [["runcode runtime pause calc", "until it is needed again"]],
  schema: () => import("../protocol/output/runtime-action.ts"),
  async run(args, { env, signal }) {
    const paused = await runtimeClientOf(args, env).pauseRuntime(args.runtime, { signal });
    return { json: paused, text: `${printable(paused.runtime_id)} is ${printable(paused.status)}.` };
  },
});
