// `exec`: one command on the attached workspace, as if it ran here.
import { runCommand } from "../bundle/command.ts";
import { targetSession } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { checkedEnv } from "../ssh/remote-command.ts";

export default defineCommand({
  summary: "Run a command on the attached workspace",
  description: `One word after -- is a shell line for the account's own shell; several words arrive unchanged as the arguments of a program.

The command runs in the project directory. Its output streams through byte for byte, its exit code is the exit code (128+n where signal n ended it), and 255 means that something outside the command went wrong. It is sent once: when the connection is lost midway it may have done its work, and it is not sent again.

Standard input is passed on when it is piped or a file; at a terminal the command gets end-of-file unless --stdin or --tty is given.

Ctrl-C and SIGTERM end the remote command: politely, and for certain after 5 seconds or a second Ctrl-C. With --json the first 10 MiB of each stream are kept.`,
  options: {
    workspace: { kind: "string", short: "w", placeholder: "WS", summary: "another workspace than the attached one" },
    home: { kind: "flag", summary: "run in the home directory" },
    cwd: {
      kind: "string",
      placeholder: "DIR",
      summary: "run in DIR: absolute, ~/…, or relative to the project directory",
    },
    env: { kind: "list", short: "e", placeholder: "K=V", summary: "set a variable for the command; may be repeated" },
    tty: { kind: "flag", short: "t", summary: "give the command a terminal" },
    stdin: { kind: "flag", short: "i", summary: "pass standard input on although it is a terminal" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "end the command after this long" },
  },
  rest: "command",
  examples: [
    ["runcode exec -- npm test", "several words: a program and its arguments"],
    ["runcode exec -- 'cd api && make | tail'", "one word: a shell line"],
    ["runcode exec --timeout 5m --env CI=1 -- ./build.sh", "bounded, with a variable"],
    ["tar c . | runcode exec -- tar x -C /tmp/copy", "standard input goes along"],
  ],
  json: "{exit_code, signal?, stdout, stderr, stdout_truncated, stderr_truncated, duration_ms, workspace_id}",
  remoteExitCode: true,
  async run(args, context) {
    if (args.rest.length === 0) {
      throw new RuncodeError("usage", "exec: there is no command", { hint: "runcode exec -- <command>" });
    }
    if (args.home && args.cwd !== undefined) throw new RuncodeError("usage", "--home and --cwd exclude each other");
    const env = checkedEnv(args.env);
    if (args.tty && context.flags.json) throw new RuncodeError("usage", "--tty and --json exclude each other");
    const session = await targetSession(context, args.workspace);
    const { workdir } = session;
    const command = { words: args.rest, directory: args.home ? null : (args.cwd ?? workdir), base: workdir, env };
    const timeoutMs = args.timeout === undefined ? undefined : args.timeout * 1000;
    if (args.tty) {
      const { runInTerminal } = await import("../bundle/terminal.ts");
      return { exit: await runInTerminal(context, session, command, timeoutMs) };
    }
    return runCommand(context, session, { ...command, timeoutMs }, args.stdin);
  },
});
