// `mcp`: the workspaces as tools of a coding agent.
import { defineCommand } from "../context.ts";
import { VERSION } from "../version.ts";

export default defineCommand({
  summary: "Serve the workspaces to a coding agent over the Model Context Protocol",
  description: `
Speaks the Model Context Protocol on standard input and output, until standard input ends; an agent starts it by itself. Its tools
list, connect, run commands, read, write, edit, find and transfer files, and forward ports, with the logins and sessions of this
machine. What it cannot do without a person is logging in: runcode login.

Files of this machine can be put and got only where the agent itself works: in the directories that it names as its roots, or, where it
names none, in the one that the server was started in, unless that is a home directory or above one. --allow-path adds to them. The
client's own secrets and ~/.ssh are never among them.`.trim(),
  options: {
    allowPath: {
      kind: "list",
      placeholder: "DIR",
      summary: "a directory of this machine that put and get may use; may be repeated",
    },
  },
  examples: [
    ["claude mcp add runcode -- runcode mcp", "for Claude Code"],
    ["codex mcp add runcode -- runcode mcp", "for Codex"],
    ["runcode mcp --allow-path ~/Downloads", "and let it put files there"],
  ],
  schema: null,
  async run({ allowPath }, context) {
    const { serveMcp } = await import("../mcp/serve.ts");
    await serveMcp(context, {
      streams: context.streams,
      version: VERSION,
      allowed: allowPath,
      onError: (message) => context.out.warn(message),
      onHurry: (hurry) => context.drains(hurry),
    });
  },
});
