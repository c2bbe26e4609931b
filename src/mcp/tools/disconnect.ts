import * as v from "valibot";
import Disconnect from "../../protocol/output/disconnect.ts";
import { flag } from "../fields.ts";
import { ADDS, defineTool } from "../tool.ts";

export default defineTool({
  name: "disconnect",
  title: "Disconnect from the workspace",
  description:
    "Ends the connection and removes the session's key from this machine. The workspace goes on running, with the jobs in it.",
  annotations: ADDS,
  input: v.strictObject({ keep: flag("only detach: the session and its connection stay") }),
  output: Disconnect,
  async run({ keep }, call) {
    const sessions = await call.sessions();
    const id = call.actsOn ?? (await sessions.attachment())?.workspaceId ?? null;
    call.actOn(null);
    if (id === null)
      return { structured: { disconnected: false, workspace_id: null, title: null, session_removed: false } };
    const title = (await sessions.cached(id))?.title ?? null;
    // Somebody else's attachment stays: only a pointer that points to this workspace is taken away.
    const was = await sessions.detach(id);
    const removed = !keep && (await sessions.drop(id));
    return {
      structured: { disconnected: true, workspace_id: id, title: was?.title ?? title, session_removed: removed },
    };
  },
});
