// `runcode start`: power a workspace on, without attaching it.
import { findWorkspace, requestStart, waitForRunning, type WaitOptions } from "../api/wait.ts";
import { targetWorkspace } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";

const TIMEOUT_SECONDS = 300;

export default defineCommand({
  summary: "Start a workspace",
  description:
    "Waits until it runs. Starting one that runs does nothing. One whose command fails at once does not start; without the command " +
    "it does, so that what the command needs can be put there.",
  positionals: { workspace: { arity: "one", summary: "id, title or custom title", complete: "workspace" } },
  options: {
    noWait: { kind: "flag", summary: "return once the start was accepted" },
    noCommand: { kind: "flag", summary: "leave out, this time, the command it was created with" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long to wait (default 300s)" },
  },
  examples: [
    ["runcode start demo", "and wait until it runs"],
    ["runcode start demo --no-wait --json", "only ask for it"],
  ],
  schema: () => import("../protocol/output/start.ts"),
  async run(args, context) {
    const { clock, signal } = context;
    const { id, title } = await targetWorkspace(context, args.workspace);
    const api = await context.api();
    const began = performance.now();
    const progress = await context.out.progress(`Starting ${title}`);
    try {
      const options: WaitOptions = {
        timeoutMs: (args.timeout ?? TIMEOUT_SECONDS) * 1000,
        clock,
        signal,
        onState: (now, how) =>
          how === null ? progress.update(`${title} is ${now}`) : progress.detail(`${title} is ${now}: ${how}`),
      };
      await requestStart(api, id, options, { noCommand: args.noCommand });
      const { state } = args.noWait ? await findWorkspace(api, id, signal) : await waitForRunning(api, id, options);
      return {
        json: { id, state, waited_ms: Math.round(performance.now() - began) },
        text: `${title} is ${printable(state)}.`,
      };
    } finally {
      progress.done();
    }
  },
});
