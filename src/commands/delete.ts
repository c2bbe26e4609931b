// `runcode delete`: a workspace and its files, for good.
import { defineCommand } from "../context.ts";
import { targetWorkspace } from "../bundle/target.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

export default defineCommand({
  summary: "Delete a workspace and everything in it",
  description: "It cannot be undone. The session and the attachment on this machine go with it.",
  positionals: { workspace: { arity: "one", summary: "id, title or custom title", complete: "workspace" } },
  options: {
    yes: { kind: "flag", short: "y", summary: "do not ask" },
    force: { kind: "flag", summary: "although it is running" },
  },
  examples: [
    ["runcode delete demo", "after asking"],
    ["runcode delete 42 --yes --force", "for a script: running or not"],
  ],
  schema: () => import("../protocol/output/delete.ts"),
  async run(args, context) {
    const workspace = await targetWorkspace(context, args.workspace);
    const { id, title, customTitle } = workspace;
    const name = customTitle ? `${title} (${printable(customTitle).slice(0, 60)})` : title;
    if (!args.yes && !(await (await context.prompt()).confirm(`Delete ${name} and everything in it?`, "--yes")))
      return { json: { deleted: false, id }, text: "Nothing was deleted.", exit: 1 };
    const api = await context.api();
    await api.delete(id, { force: args.force }, context.signal).catch((error: unknown) => {
      if (!(error instanceof RuncodeError)) throw error;
      const running = error.code === "conflict" && !args.force;
      throw new RuncodeError(error.code === "http_error" ? "delete_failed" : error.code, error.message, {
        hint: running ? `stop it first, or: runcode delete ${title} --force` : error.hint,
        cause: error,
      });
    });
    const sessions = await context.sessions();
    await sessions.detach(id);
    await sessions.drop(id);
    return { json: { deleted: true, id }, text: `Deleted ${name}.` };
  },
});
