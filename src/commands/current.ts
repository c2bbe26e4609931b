// `runcode current`: what is attached. Local: no network.
import { attached } from "../bundle/target.ts";
import { describeAttachment } from "../bundle/describe.ts";
import { defineCommand } from "../context.ts";
import { SESSION_MARGIN_MS } from "../protocol/constants.ts";
import { masterAlive } from "../ssh/master.ts";

export default defineCommand({
  summary: "Show the attached workspace",
  description: "Reads this machine only: no network.",
  examples: [
    ["runcode current", "its title"],
    ["runcode current --json | jq -r .workdir", "one field of its session"],
  ],
  schema: () => import("../protocol/output/current.ts"),
  async run(_, context) {
    const sessions = await context.sessions();
    const attachment = await attached(sessions);
    const session = await sessions.cached(attachment.workspaceId);
    const valid = session !== null && session.expiresAt - context.clock.now() > SESSION_MARGIN_MS;
    const connected = session !== null && (await masterAlive(session));
    return {
      json: { ...describeAttachment(attachment, session), valid, connected },
      text: attachment.title,
    };
  },
});
