// `runcode clean`: session material leaves this machine. Local: no network.
import { cleanSessions } from "../bundle/clean.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Remove cached sessions",
  description:
    "Removes keys, pinned host keys and configs from this machine and ends their connections: one workspace's, or all but the attached one's, " +
    "or with --all every one and the attachment. Also clears the folder where older clients kept theirs. No network; workspaces are not touched.",
  positionals: { workspace: { arity: "optional", summary: "id or title", complete: "workspace" } },
  options: { all: { kind: "flag", summary: "the attached one as well" } },
  examples: [
    ["runcode clean", "what is not attached"],
    ["runcode clean --all", "leave nothing behind"],
  ],
  schema: () => import("../protocol/output/clean.ts"),
  async run(args, context) {
    if (args.all && args.workspace !== undefined)
      throw new RuncodeError("usage", "give a workspace or --all, not both");
    const scope = args.workspace !== undefined ? { workspace: args.workspace } : args.all ? "all" : "unattached";
    const removed = await cleanSessions(scope, {
      paths: context.paths,
      platform: context.platform,
      uid: context.uid,
      clock: context.clock,
    });
    return {
      json: { removed: removed.map(({ workspaceId, path }) => ({ workspace_id: workspaceId, path })) },
      text:
        removed.length === 0 ? "There was nothing to remove." : removed.map(({ path }) => `Removed ${path}`).join("\n"),
    };
  },
});
