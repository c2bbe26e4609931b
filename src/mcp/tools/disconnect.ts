import * as v from "valibot";
import { flag } from "../fields.ts";
import { ADDS, defineTool } from "../tool.ts";

export default defineTool({
  name: "disconnect",
  title: "Disconnect from the workspace",
  description:
    "Ends the connection and removes the session's key from this machine. The workspace goes on running, with the jobs in it.",
  annotations: ADDS,
  input: v.strictObject({ keep: flag("only detach: the session and its connection stay") }),
  output: v.object({
    disconnected: v.pipe(v.boolean(), v.description("false where nothing was connected")),
    workspace_id: v.nullable(v.number()),
    session_removed: v.boolean(),
  }),
  async run({ keep }, call) {
    const sessions = await call.sessions();
    // Somebody else's attachment stays: only the pointer that points to this workspace is taken away.
    const id = call.actsOn ?? (await sessions.attachment())?.workspaceId ?? null;
    call.actOn(null);
    if (id === null) return { structured: { disconnected: false, workspace_id: null, session_removed: false } };
    await sessions.detach(id);
    const removed = !keep && (await sessions.drop(id));
    return { structured: { disconnected: true, workspace_id: id, session_removed: removed } };
  },
});
