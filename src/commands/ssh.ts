// `ssh`: a shell on a workspace, or one command. Known in the field as `shell` and `run` as well.
import { runCommand } from "../bundle/command.ts";
import { COMMAND_OPTIONS, checkCommandArgs, commandFrom } from "../bundle/command-options.ts";
import { targetSession } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Open a shell on a workspace, or run one command there",
  description: `Without a command it is a login shell in the project directory: with a terminal where standard input is one, else reading the script that is piped in.

With a command it does as exec: one word after -- is a shell line, several arrive unchanged, the exit code is the command's own, and 255 means that something outside it went wrong.`,
  positionals: {
    workspace: {
      arity: "optional",
      complete: "workspace",
      summary: "the workspace; the attached one when it is left out",
    },
  },
  options: COMMAND_OPTIONS,
  rest: "command",
  examples: [
    ["runcode ssh demo", "a shell"],
    ["runcode ssh demo -- make test", "one command"],
    ["runcode ssh demo --tty -- htop", "one that wants a terminal"],
  ],
  schema: () => import("../protocol/output/exec.ts"),
  remoteExitCode: true,
  async run(args, context) {
    const shell = args.rest.length === 0;
    if (shell && context.flags.json) {
      throw new RuncodeError("usage", "ssh --json wants a command", {
        hint: "runcode ssh <workspace> --json -- <command>",
      });
    }
    checkCommandArgs(args, context.flags.json);
    const session = await targetSession(context, args.workspace);
    const command = commandFrom(args, session.workdir);
    if (!args.tty && !(shell && context.streams.stdin.isTTY === true)) {
      return runCommand(context, session, command, args.stdin);
    }
    const { runInTerminal } = await import("../bundle/terminal.ts");
    return { exit: await runInTerminal(context, session, command) };
  },
});
