// `runcode connect`: a session for a workspace, attached, so that every other command knows what it acts on.
import { defineCommand, type Context } from "../context.ts";
import { describeSession } from "../bundle/describe.ts";
import { connectWorkspace } from "../bundle/connect.ts";
import { sshArgv } from "../ssh/master.ts";

const TIMEOUT_SECONDS = 300;

export default defineCommand({
  summary: "Attach a workspace, with a fresh session where there is none",
  description:
    "Mints a throwaway key, has it registered for this workspace alone, pins the gateway's host key, and makes the workspace the " +
    "one that exec, put, get and the others act on. Your ~/.ssh is not touched.",
  positionals: { workspace: { arity: "one", summary: "id, title or custom title", complete: "workspace" } },
  options: {
    start: { kind: "flag", summary: "start it when it is stopped" },
    wait: { kind: "flag", summary: "wait until SSH answers" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long --start and --wait may take (default 300s)" },
    ttl: {
      kind: "seconds",
      placeholder: "TIME",
      summary: "how long the key shall live (default 30m; the server may allow less)",
    },
    force: { kind: "flag", summary: "a new key although the present one is good" },
  },
  examples: [
    ["runcode connect demo", "attach the workspace demo"],
    ["runcode connect demo --start --wait", "whatever state it is in, and only return when commands can run"],
  ],
  schema: () => import("../protocol/output/connect.ts"),
  async run(args, context) {
    const statusLine = statusLineInstalled(context);
    const progress = await context.out.progress(`Connecting to ${args.workspace}`);
    const { session, started, reused } = await connectWorkspace(context, args.workspace, {
      start: args.start,
      wait: args.wait,
      force: args.force,
      timeoutMs: (args.timeout ?? TIMEOUT_SECONDS) * 1000,
      ...(args.ttl === undefined ? {} : { ttl: Math.ceil(args.ttl) }),
      onPhase: (text) => progress.update(text),
    }).finally(() => progress.done());
    await (await context.sessions()).attach(session, context.cwd);
    const json = {
      ...describeSession(session),
      command: sshArgv(session),
      started,
      reused,
      statusline_installed: await statusLine,
    };
    return { json, text: `Attached ${session.title}. Run a command in it: runcode exec -- uname -a` };
  },
});

/** Somebody else's settings file must not make a connect fail. */
async function statusLineInstalled({ env, paths }: Context): Promise<boolean> {
  const { readClaudeSettings } = await import("../platform/claude-settings.ts");
  return readClaudeSettings({ env, home: paths.home }).then(
    ({ ours }) => ours,
    () => false,
  );
}
