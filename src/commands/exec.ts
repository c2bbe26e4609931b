// `exec`: one command on the attached workspace, as if it ran here.
import { runCommand } from "../bundle/command.ts";
import { COMMAND_OPTIONS, checkCommandArgs, commandFrom } from "../bundle/command-options.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Run a command on the attached workspace",
  description: `One word after -- is a shell line for the account's own shell; several words arrive unchanged as the arguments of a program.

The command runs in the project directory. Its output streams through byte for byte, its exit code is the exit code (128+n where signal n ended it), and 255 means that something outside the command went wrong. It is sent once: when the connection is lost midway it may have done its work, and it is not sent again.

Standard input is passed on when it is piped or a file; at a terminal the command gets end-of-file unless --stdin or --tty is given.

Ctrl-C and SIGTERM end the remote command: politely, and for certain after 5 seconds or a second Ctrl-C. With --json the first 10 MiB of each stream are kept.

--detach prints the id of a job and returns at once. The command runs on whatever becomes of this program, its connection and this machine; runcode jobs logs, wait and kill take the id. It gets no standard input unless --stdin is given: that is read to its end first, 10 MiB at most. --timeout ends the job itself.`,
  options: {
    workspace: ANOTHER_WORKSPACE,
    ...COMMAND_OPTIONS,
    detach: { kind: "flag", short: "d", summary: "start it as a job that outlives this program, and print its id" },
  },
  rest: "command",
  examples: [
    ["runcode exec -- npm test", "several words: a program and its arguments"],
    ["runcode exec -- 'cd api && make | tail'", "one word: a shell line"],
    ["runcode exec --timeout 5m --env CI=1 -- ./build.sh", "bounded, with a variable"],
    ["runcode exec --detach -- npm run e2e", "a job: runcode jobs wait and logs take its id"],
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
    if (args.detach) {
      const { detach } = await import("../bundle/jobs.ts");
      const id = await detach(context, session, command, args.stdin ? context.streams.stdin : null);
      context.out.note(`runcode jobs logs ${id} --follow shows what it does`);
      return { json: { job_id: id, workspace_id: session.workspaceId }, text: id };
    }
    if (!args.tty) return runCommand(context, session, command, args.stdin);
    const { runInTerminal } = await import("../bundle/terminal.ts");
    return { exit: await runInTerminal(context, session, command) };
  },
});
