// `runcode disconnect`: detach. Local: no network, and the workspace goes on running.
import { defineCommand } from "../context.ts";

export default defineCommand({
  summary: "Detach the workspace; it goes on running",
  description:
    "Ends the connection and removes the session's key from this machine, unless --keep says otherwise. No network.",
  options: { keep: { kind: "flag", summary: "keep the session and its connection" } },
  examples: [
    ["runcode disconnect", "work goes back to this machine"],
    ["runcode disconnect --keep", "only detach"],
  ],
  schema: () => import("../protocol/output/disconnect.ts"),
  async run(args, context) {
    const sessions = await context.sessions();
    const was = await sessions.detach();
    const removed = was !== null && !args.keep && (await sessions.drop(was.workspaceId));
    return {
      json: {
        disconnected: was !== null,
        workspace_id: was?.workspaceId ?? null,
        title: was?.title ?? null,
        session_removed: removed,
      },
      text: was ? `Detached ${was.title}.` : "Nothing was attached.",
    };
  },
});
