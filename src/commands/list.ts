// `runcode list`: the workspaces of the account.
import { describeWorkspace } from "../bundle/describe.ts";
import { table } from "../cli/output.ts";
import { defineCommand } from "../context.ts";
import { printable } from "../protocol/text.ts";
import type { Workspace } from "../protocol/workspace.ts";

export default defineCommand({
  summary: "List your workspaces",
  options: { all: { kind: "flag", summary: "those that SSH cannot reach as well" } },
  examples: [
    ["runcode list", "what you can connect to"],
    ["runcode list --json | jq -r '.[] | select(.state == \"running\").title'", "for a script"],
  ],
  schema: () => import("../protocol/output/list.ts"),
  async run(args, context) {
    const found = await (await context.api()).list(context.signal);
    const shown = found.filter(({ connectable }) => args.all || connectable);
    const open = shown.filter(({ isolation }) => isolation === "none");
    if (open.length > 0)
      context.out.note(
        `no isolation: what runs in ${open.length === 1 ? open[0]?.title : `${open.length} of these`} can do all that the server's own account can`,
      );
    return { json: shown.map(describeWorkspace), text: shown.length === 0 ? EMPTY : rows(shown) };
  },
});

const EMPTY = "There is no workspace yet: runcode create";

function rows(workspaces: readonly Workspace[]): string {
  const cells = workspaces.map(({ id, title, customTitle, state, shared, connectable, problem }) => [
    String(id),
    title,
    printable(state),
    printable(customTitle ?? "").slice(0, 60),
    [shared ? "shared" : "", connectable ? "" : "no SSH", printable(problem ?? "").slice(0, 400)]
      .filter(Boolean)
      .join(", "),
  ]);
  return table([["ID", "TITLE", "STATE", "NAME", ""], ...cells]);
}
