// `runcode runtime stop`: ends a runtime. Its container stays, unless it was started with --auto-remove.
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";
import { RUNTIME_OPTIONS, runtimeClientOf } from "../runtime-client/command-options.ts";

export default defineCommand({
  summary: "Stop a runtime",
  description: "It is asked to end, and ended after the grace. One that has ended already is no failure.",
  positionals: { runtime: { arity: "one", summary: "its id, its container's id or the beginning of that" } },
  options: {
    ...RUNTIME_OPTIONS,
    grace: {
      kind: "integer",
      placeholder: "SECONDS",
      min: 0,
      summary: "how long it may take to end by itself (default 5)",
    },
  },
  examples: [
    ["runcode runtime stop calc", "politely"],
    ["runcode runtime stop calc --grace 0", "at once"],
  ],
  schema: () => import("../protocol/output/runtime-action.ts"),
  async run(args, { env, signal }) {
    const stopped = await runtimeClientOf(args, env).stopRuntime(args.runtime, { signal, graceSeconds: args.grace });
    return { json: stopped, text: `${printable(stopped.runtime_id)} is ${printable(stopped.status)}.` };
  },
});
