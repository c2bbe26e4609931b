// How `exec` and `ssh` let a person say where and with what a command runs.
import { RuncodeError } from "../protocol/errors.ts";
import { checkedEnv } from "../ssh/remote-command.ts";
import type { Command } from "./command.ts";

export const COMMAND_OPTIONS = {
  home: { kind: "flag", summary: "run in the home directory" },
  cwd: {
    kind: "string",
    placeholder: "DIR",
    summary: "run in DIR: absolute, ~/…, or from the project directory",
    complete: "remote",
  },
  env: { kind: "list", short: "e", placeholder: "K=V", summary: "set a variable for the command; may be repeated" },
  tty: { kind: "flag", short: "t", summary: "give the command a terminal" },
  stdin: { kind: "flag", short: "i", summary: "pass standard input on although it is a terminal" },
  timeout: { kind: "seconds", placeholder: "TIME", summary: "end the command after this long" },
} as const;

/** What those options come to. */
export interface CommandArgs {
  readonly home: boolean;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly tty: boolean;
  readonly timeout: number | undefined;
  readonly rest: readonly string[];
  readonly detach?: boolean;
}

/** Throws `usage` for options that contradict each other; before anything is asked of anybody. */
export function checkCommandArgs(args: CommandArgs, json: boolean): void {
  if (args.home && args.cwd !== undefined) throw new RuncodeError("usage", "--home and --cwd exclude each other");
  if (args.tty && json) throw new RuncodeError("usage", "--tty and --json exclude each other");
  if (args.tty && args.detach === true) throw new RuncodeError("usage", "--tty and --detach exclude each other");
  if (args.rest[0] === "") throw new RuncodeError("usage", "the command is empty");
  checkedEnv(args.env);
}

/** Takes checked arguments and the session's workdir; gives what is to run where. */
export function commandFrom({ rest, home, cwd, env, timeout }: CommandArgs, workdir: string): Command {
  return {
    words: rest,
    directory: home ? null : cwd || workdir,
    base: workdir,
    env,
    timeoutMs: timeout === undefined ? undefined : timeout * 1000,
  };
}
