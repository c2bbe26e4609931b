// Errors are written for the command line. A model has no flags: what it reads names the tools and their parameters instead.
// What is left of commands of runcode in a hint is for a person, such as `runcode login`.
import { RuncodeError } from "../protocol/errors.ts";

/** What stands in a text for the command line, and what a tool says in its place. */
type Words = readonly [pattern: RegExp, words: string];

/** Each that fits, in this order; test/mcp/tool-words.test.ts finds the hint that one is missing for. */
const HINTS: readonly Words[] = [
  [/(?:run: )?runcode connect .+ --(start|force)$/, "connect with $1: true"],
  [/run: runcode start <workspace>$/, "connect with start: true"],
  [/(?:run: )?runcode connect(?: .+)?$/, "connect"],
  [/wait longer with --timeout/, "wait longer with timeout_ms"],
  [/leave out --no-clobber/, "leave out no_clobber"],
  [/give -r to (put|get)/, "give recursive: true to $1"],
  [/--cwd, or use --home$/, "cwd"],
  [/^pipe the long part in on stdin/, "give the long part as stdin"],
  [/^pipe it in: runcode put - <remote>$/, "let a command write it into a file, and put that"],
  [/^runcode port-forward --list$/, "port_forward with action: list shows them"],
  [/^runcode port-forward --help$/, "the tool's input schema says what it takes"],
  [/; sockets want --unix$/, ""],
  [/; sftp, ssh -L and runcode create -- PROGRAM do without$/, ""],
  [/runcode jobs wait (\S+)/, "job_status of $1 with wait_ms"],
  [/runcode jobs (logs|kill) (\S+)/, "job_$1 of $2"],
  [/runcode jobs lists them/, "job_status without job_id lists them"],
  [/runcode (list|context|put|write)\b/, "$1"],
  [/^give that origin as --api-base/, "a person can log in there, runcode login --api-base ORIGIN,"],
];

const MESSAGES: readonly Words[] = [
  [/^port-forward: --local and --to are/, "port_forward: to is"],
  [/^port-forward: with --to the word is/, "port_forward: with to, ports is"],
  [/^port-forward: --to\b/, "port_forward: to"],
  [/^port-forward: /, "port_forward: "],
];

/** Takes an error of any command; gives the same in the words of the tools. */
export function inToolWords({ code, message, hint, phase, jobId, cause }: RuncodeError): RuncodeError {
  const toldHint = hint === undefined ? undefined : told(hint, HINTS);
  return new RuncodeError(code, told(message, MESSAGES), { hint: toldHint, phase, jobId, cause });
}

function told(text: string, table: readonly Words[]): string {
  return table.reduce((so, [pattern, words]) => so.replace(pattern, words), text);
}
