import { table } from "../cli/output.ts";
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";

export default defineCommand({
  summary: "Find what is wrong, and say which command mends it",
  description:
    "Looks at the OpenSSH client, the control plane (name, connection, certificate, clock), the token, the gateway, the aliases of " +
    "config-ssh, the cache, the PATH and the container engines of this machine. Changes nothing, takes seconds, and works without a network.",
  examples: [["runcode doctor", "before asking anybody for help"]],
  schema: () => import("../protocol/output/doctor.ts"),
  async run(_, context) {
    const { checkHealth } = await import("../bundle/health.ts");
    const checks = await checkHealth(context);
    context.signal.throwIfAborted();
    const ok = checks.every(({ status }) => status !== "fail");
    const colours = { ok: "green", warn: "yellow", fail: "red", skip: "dim" } as const;
    const rows = checks.map(({ name, status, detail }) => [
      context.out.paint(colours[status], status),
      name,
      printable(detail),
    ]);
    const fixes = checks.flatMap(({ name, fix }) => (fix === undefined ? [] : [`  ${name}: ${printable(fix)}`]));
    const text = [table(rows), ...(fixes.length > 0 ? ["", "To mend:", ...fixes] : [])].join("\n");
    return { json: { ok, checks }, text, exit: ok ? 0 : 1 };
  },
});
