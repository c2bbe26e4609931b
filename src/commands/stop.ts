// `runcode stop`: power a workspace down. Its files stay.
import { attached, targetWorkspace } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Stop a workspace; its files stay",
  description:
    "Stops the attached workspace where none is named. Its connections end, its session is dropped, and it is detached unless --keep says otherwise.",
  positionals: { workspace: { arity: "optional", summary: "id, title or custom title", complete: "workspace" } },
  options: { keep: { kind: "flag", summary: "stay attached" } },
  examples: [
    ["runcode stop", "the attached workspace"],
    ["runcode stop demo --keep", "this one, to be started again soon"],
  ],
  schema: () => import("../protocol/output/stop.ts"),
  async run(args, context) {
    const sessions = await context.sessions();
    const found =
      args.workspace === undefined
        ? await attached(sessions).then(({ workspaceId, title }) => ({ id: workspaceId, title }))
        : await targetWorkspace(context, args.workspace);
    const api = await context.api();
    await api.stop(found.id, context.signal).catch((error: unknown) => {
      if (!(error instanceof RuncodeError) || error.code !== "http_error") throw error;
      throw new RuncodeError("stop_failed", error.message, { hint: error.hint, cause: error });
    });
    const detached = args.keep ? null : await sessions.detach(found.id);
    await sessions.drop(found.id);
    return {
      json: { stopped: true, workspace_id: found.id, detached: detached !== null },
      text: `Stopped ${found.title}${detached ? " and detached it" : ""}.`,
    };
  },
});
