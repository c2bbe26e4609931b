// `runcode runtime list`: what the runtime API knows.
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";
import { RUNTIME_OPTIONS, runtimeClientOf } from "../runtime-client/command-options.ts";

export default defineCommand({
  summary: "List the runtimes of a runtime API",
  description:
    "All there are, running or not, newest first. A server of the public contract that is not ours has no list.",
  options: RUNTIME_OPTIONS,
  examples: [
    ["runcode runtime list", "what there is"],
    ["runcode runtime list --json | jq -r '.[] | select(.status == \"exited\").runtime_id'", "for a script"],
  ],
  schema: () => import("../protocol/output/runtime-list.ts"),
  async run(args, { env, signal }) {
    const runtimes = await runtimeClientOf(args, env).listRuntimes({ signal });
    if (runtimes.length === 0) return { json: [], text: "There is no runtime yet: runcode runtime start IMAGE" };
    const { table } = await import("../cli/output.ts");
    const rows = runtimes.map((it) => [
      printable(it.runtime_id),
      printable(it.status),
      printable(it.image),
      printable(it.created_at.slice(0, 19).replace("T", " ")),
      printable(publishedText(it.ports)),
    ]);
    return { json: runtimes, text: table([["RUNTIME", "STATUS", "IMAGE", "CREATED (UTC)", "PORTS"], ...rows]) };
  },
});

function publishedText(ports: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[]>>): string {
  return Object.entries(ports)
    .map(([port, at]) => `${at[0]?.HostIp ?? ""}:${at[0]?.HostPort ?? ""}→${port}`)
    .join(", ");
}
