// The line that the far side's login shell is given. Whatever shell that is, it is asked for one thing only, to become
// /bin/sh with one quoted argument; all else is said in POSIX sh.
import { RuncodeError } from "../protocol/errors.ts";
import { forAnyShell, OWN_SHELL_LAST } from "../protocol/shell-line.ts";
import { printable } from "../protocol/text.ts";
import { quoteArgv, quoteWord } from "./quote.ts";

export interface RemoteCommand {
  /** One word is a shell line for the account's own shell; several are an argv that arrives as it is; none is a login shell. */
  readonly words: readonly string[];
  /** Where it runs: absolute, or relative to `base`; `~/…` is below the home directory. Null is the home directory. */
  readonly directory: string | null;
  /** The session's workdir, which relative directories start from. */
  readonly base: string;
  /** `NAME=value` pairs, checked by `checkedEnv`. */
  readonly env?: readonly string[];
  /** Found again in the environment of every process of the command, so that they can be ended: see `endingLine`. */
  readonly id: string;
  /**
   * Whether the wrapper stays as the parent and turns a death by signal into 128+n: for ssh's own client, which
   * reports an exit-signal as 255 (clientloop.c). Elsewhere the wrapper becomes the command.
   */
  readonly parent?: boolean;
  /**
   * What happens where the directory cannot be entered: `mark` (the default) says so in a way that a program finds,
   * `tell` in words; both exit 255 and run nothing. `stay` says it and goes on in the home directory.
   */
  readonly missing?: "mark" | "tell" | "stay";
}

/** Linux refuses a single argument of 128 KiB and more (MAX_ARG_STRLEN), and the login shell gets the line as one. In bytes. */
const LONGEST_LINE = 128 * 1024 - 1;

/** Takes the command; gives the line to send. Throws `usage` for what no command line can hold. */
export function remoteLine(command: RemoteCommand): string {
  const { words, directory, env = [], id, parent = false, missing = "mark" } = command;
  const nul = [...words, ...env, directory ?? ""].some((word) => word.includes("\0"));
  if (nul) throw new RuncodeError("usage", "an argument cannot contain a NUL character");
  const line = forAnyShell(
    [
      `RUNCODE_EXEC_ID=${id}`,
      ...(words.length === 1 ? [OWN_SHELL_LAST] : []),
      "export RUNCODE_EXEC_ID",
      ...entering(command, missing),
      ...env.map((pair) => `export ${quoteWord(pair)}`),
      ...starting(words, parent),
    ].join("; "),
  );
  if (Buffer.byteLength(line) > LONGEST_LINE) {
    throw new RuncodeError(
      "usage",
      `the command is too long: ${Buffer.byteLength(line)} bytes, ${LONGEST_LINE} at most`,
      {
        hint: "pipe the long part in on stdin, or write it to a file with runcode write",
      },
    );
  }
  return line;
}

/** What the wrapper says on stderr, and nothing after it, where the directory cannot be entered. */
export function missingDirectoryMarker(id: string): string {
  return `runcode-no-directory-${id}\n`;
}

function entering({ directory, base, id }: RemoteCommand, missing: "mark" | "tell" | "stay"): string[] {
  if (directory === null) return [];
  const told = quoteWord(`runcode: the workspace has no directory ${printable(directory)}`);
  const failed = {
    mark: `{ echo ${quoteWord(missingDirectoryMarker(id).trim())} >&2; exit 255; }`,
    tell: `{ echo ${told} >&2; exit 255; }`,
    stay: `echo ${told} >&2`,
  }[missing];
  const enter = (path: string): string => `cd ${path} 2>/dev/null || ${failed}`;
  // CDPATH would lead a relative cd elsewhere, and print where.
  if (directory === "~" || directory.startsWith("~/"))
    return ["unset CDPATH", enter(`"$HOME"${quoteWord(`/${directory.slice(2)}`)}`)];
  if (directory.startsWith("/")) return [enter(quoteWord(directory))];
  return ["unset CDPATH", enter(quoteWord(base)), enter(quoteWord(`./${directory}`))];
}

function starting(words: readonly string[], parent: boolean): string[] {
  const [first] = words;
  const own = '"${SHELL:-/bin/sh}"';
  const command =
    first === undefined
      ? `${own} -l`
      : words.length === 1
        ? // The space keeps a line that starts with a dash from being an option.
          `${own} -c ${quoteWord(first.startsWith("-") || first.startsWith("+") ? ` ${first}` : first)}`
        : quoteArgv(words);
  // exec takes a dash for an option, in some shells even after --.
  const become = words.length > 1 && first?.startsWith("-") ? command : `exec ${command}`;
  // sh tells of a child's death by signal ("Killed") on its own stderr, which is therefore not the command's.
  if (parent) return ["trap : HUP INT QUIT TERM", "exec 3>&2 2>/dev/null", `( exec 2>&3 3>&-; ${become} )`, "exit $?"];
  return [become];
}

/** Takes what `--env` was given; throws `usage` for a name that no shell can export. */
export function checkedEnv(pairs: readonly string[]): readonly string[] {
  for (const pair of pairs) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*=/.test(pair)) {
      throw new RuncodeError("usage", `--env takes NAME=value, not ${JSON.stringify(pair)}`, {
        hint: "a name has letters, digits and underscores, and does not start with a digit",
      });
    }
  }
  return pairs;
}

/**
 * A command that finds the processes with this id in their environment and signals them: for servers that do not deliver
 * signals themselves. `politely` is a signal's name without SIG, or null for those that are left: KILL. It needs /proc;
 * where there is none it does nothing.
 */
export function endingLine(id: string, politely: string | null): string {
  // In the pattern the first character stands in brackets, so that grep does not find its own argument.
  const pattern = `RUNCODE_EXEC_ID=[${id.slice(0, 1)}]${id.slice(1)}`;
  return forAnyShell(
    `for f in $(grep -ls -- ${quoteWord(pattern)} /proc/[0-9]*/environ); do p=$` +
      `{f#/proc/}; kill -s ${politely ?? "KILL"} "$` +
      `{p%/environ}" 2>/dev/null; done; exit 0`,
  );
}
