// `exec`: one command on the attached workspace, as if it ran here.
import { runCommand } from "../bundle/command.ts";
import { COMMAND_OPTIONS, checkCommandArgs, commandFrom } from "../bundle/command-options.ts";
import { targetSession } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Run a command on the attached workspace",
  description: `One word after -- is a shell line for the account's own shell; several words arrive unchanged as the arguments of a program.

The command runs in the project directory. Its output streams through byte for byte, its exit code is the exit code (128+n where signal n ended it), and 255 means that something outside the command went wrong. It is sent once: when the connection is lost midway it may have done its work, and it is not sent again.

Standard input is passed on when it is piped or a file; at a terminal the command gets end-of-file unless --stdin or --tty is given.

Ctrl-C and SIGTERM end the remote command: politely, and for certain after 5 seconds or a second Ctrl-C. With --json the first 10 MiB of each stream are kept.`,
  options: {
    workspace: { kind: "string", short: "w", placeholder: "WS", summary: "another workspace than the attached one" },
    ...COMMAND_OPTIONS,
  },
  rest: "command",
  examples: [
    ["runcode exec -- npm test", "several words: a program and its arguments"],
    ["runcode exec -- 'cd api && make | tail'", "one word: a shell line"],
    ["runcode exec --timeout 5m --env CI=1 -- ./build.sh", "bounded, with a variable"],
    ["tar c . | runcode exec -- tar x -C /tmp/copy", "standard input goes along"],
  ],
  schema: () => import("../protocol/output/exec.ts"),
  remoteExitCode: true,
  async run(args, context) {
    if (args.rest.length === 0) {
      throw new RuncodeError("usage", "exec: there is no command", { hint: "runcode exec -- <command>" });
    }
    checkCommandArgs(args, context.flags.json);
    const session = await targetSession(context, args.workspace);
    const command = commandFrom(args, session.workdir);
    if (!args.tty) return runCommand(context, session, command, args.stdin);
    const { runInTerminal } = await import("../bundle/terminal.ts");
    return { exit: await runInTerminal(context, session, command) };
  },
});
