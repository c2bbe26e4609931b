// `runcode status`: the sessions on this machine. Local: no network.
import { table } from "../cli/output.ts";
import { describeSession } from "../bundle/describe.ts";
import { defineCommand } from "../context.ts";
import { SESSION_MARGIN_MS } from "../protocol/constants.ts";
import { masterAlive } from "../ssh/master.ts";

export default defineCommand({
  summary: "List the sessions on this machine",
  description: "Reads this machine only: no network. Sessions of every control plane are shown.",
  examples: [["runcode status", "which sessions there are, and for how long"]],
  schema: () => import("../protocol/output/status.ts"),
  async run(_, context) {
    const sessions = await context.sessions();
    const [attachment, all] = await Promise.all([sessions.attachment(), sessions.all()]);
    const now = context.clock.now();
    const rows = await Promise.all(
      all.map(async (session) => ({
        ...describeSession(session),
        attached: attachment?.workspaceId === session.workspaceId && attachment.apiBase === session.apiBase,
        valid: session.expiresAt - now > SESSION_MARGIN_MS,
        connected: await masterAlive(session),
        session,
      })),
    );
    const text = table([
      ["", "ID", "TITLE", "KEY", "CONNECTION", "CONTROL PLANE"],
      ...rows.map(({ session, attached, connected }) => [
        attached ? "*" : "",
        String(session.workspaceId),
        session.title,
        remaining(session.expiresAt - now),
        connected ? "open" : "-",
        session.apiBase,
      ]),
    ]);
    return {
      json: {
        attached: attachment?.workspaceId ?? null,
        sessions: rows.map(({ session: _session, ...row }) => row),
      },
      text: rows.length === 0 ? "There is no session: runcode connect <workspace>" : text,
    };
  },
});

function remaining(ms: number): string {
  if (ms <= 0) return "expired";
  return ms < 60_000 ? `${Math.ceil(ms / 1000)} s left` : `${Math.round(ms / 60_000)} min left`;
}
