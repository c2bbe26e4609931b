import * as v from "valibot";
import { connectWorkspace } from "../../bundle/connect.ts";
import { describeSession } from "../../bundle/describe.ts";
import Connect from "../../protocol/output/connect.ts";
import { sessionEntries } from "../../protocol/output/session.ts";
import { flag, within, words } from "../fields.ts";
import { ADDS, defineTool } from "../tool.ts";

export default defineTool({
  name: "connect",
  title: "Connect to a workspace",
  description: `Makes the workspace the one that the other tools act on when they are given no name, and returns when commands can run there. \
Nothing needs to be connected twice: a session is renewed by itself. runcode on the command line acts on it as well from then on.`,
  annotations: ADDS,
  input: v.strictObject({
    workspace: words("id, title or custom title, as list shows them"),
    start: flag("start it when it is stopped"),
    force: flag("a new key although the present one is good"),
    timeout_ms: within(1000, 1_800_000, 300_000, "how long to wait until it runs and SSH answers"),
  }),
  output: v.object({ ...sessionEntries, started: Connect.entries.started, reused: Connect.entries.reused }),
  async run({ workspace, start, force, timeout_ms: timeoutMs }, call) {
    call.report(`Connecting to ${workspace}`);
    const { session, started, reused } = await connectWorkspace(call, workspace, {
      start,
      force,
      wait: true,
      timeoutMs,
      onPhase: (text) => call.report(text),
    });
    await (await call.sessions()).attach(session, call.cwd);
    call.actOn(session.workspaceId);
    return { structured: { ...describeSession(session), started, reused } };
  },
});
