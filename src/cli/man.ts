// Manual pages, written from the same declarations as help. Only the release reads this; the program carries none of it.
// The macros are those of man(7), which groff, mandoc and busybox all know.
import { flagName, proseOf, saidOf, type Command, type Option, type Options, type Positional } from "./define.ts";
import { MEANINGS } from "../protocol/error-meanings.ts";
import { EXIT_CODES, type ErrorCode } from "../protocol/errors.ts";
import { outline } from "./outline.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import { commandSchema } from "./json-schema.ts";

export interface Edition {
  readonly version: string;
  /** YYYY-MM-DD. */
  readonly date: string;
}
type Named<C> = readonly [name: string, command: Command<C>];

/** `serve token` → `runcode-serve-token`: the page's name, and with `.1` its file's. */
export function pageName(command: string): string {
  return ["runcode", ...command.split(" ")].join("-");
}

/** The page of one command. */
export async function commandPage<C>(name: string, command: Command<C>, edition: Edition): Promise<string> {
  const words = Object.entries(command.positionals);
  const options = Object.entries(command.options).filter(([, option]) => !option.hidden);
  const schema = await commandSchema(name, command);
  return page([
    title(pageName(name), edition),
    section("NAME", `${roff(pageName(name))} \\- ${roff(command.summary)}`),
    section("SYNOPSIS", synopsis(name, command)),
    section("DESCRIPTION", paragraphs(proseOf(command) ?? `${command.summary}.`)),
    words.length > 0 && section("ARGUMENTS", list(words.map(([key, word]) => [argument(key, word), word.summary]))),
    options.length > 0 && section("OPTIONS", optionList(command.options)),
    section("OPTIONS OF EVERY COMMAND", optionList(GLOBAL_OPTIONS)),
    section(
      "EXAMPLES",
      command.examples.map(([line, what]) => `.TP\n\\f(CW${roff(line)}\\fR\n${text(what)}`).join("\n"),
    ),
    schema !== null && section("JSON", `With \\fB\\-\\-json\\fR:\n.PP\n${outline(schema).map(text).join("\n.PP\n")}`),
    section("EXIT STATUS", exitStatus(command.remoteExitCode === true)),
    section("SEE ALSO", seeAlso(["runcode"])),
  ]);
}

/** runcode(1): what the program is, and every command with the page that tells of it. */
export function programPage<C>(
  groups: readonly (readonly [title: string, commands: readonly Named<C>[]])[],
  edition: Edition,
): string {
  const commands = groups.flatMap(([, named]) => named);
  return page([
    title("runcode", edition),
    section("NAME", "runcode \\- reach a remote workspace over plain OpenSSH"),
    section("SYNOPSIS", `.B runcode\n.I command\n[options]`),
    section(
      "DESCRIPTION",
      "Reach a remote workspace over plain OpenSSH, with keys that live half an hour; and, as \\fBruncode serve\\fR, be the other end.",
    ),
    ...groups
      .filter(([, named]) => named.length > 0)
      .map(([heading, named]) =>
        section(
          roff(heading.toUpperCase()),
          list(named.map(([name, { summary }]) => [`\\fB${roff(name)}\\fR`, summary])),
        ),
      ),
    section("OPTIONS OF EVERY COMMAND", optionList(GLOBAL_OPTIONS)),
    section("EXIT STATUS", exitCodes()),
    section("SEE ALSO", seeAlso([...commands.map(([name]) => pageName(name)), "ssh"])),
  ]);
}

function page(parts: readonly (string | false)[]): string {
  return `${parts.filter(Boolean).join("\n")}\n`;
}

function title(name: string, { version, date }: Edition): string {
  return `.TH "${roff(name.toUpperCase())}" 1 "${date}" "runcode ${roff(version)}" "runcode"\n.nh\n.ad l`;
}

function section(heading: string, body: string): string {
  return `.SH ${heading.includes(" ") ? `"${heading}"` : heading}\n${body}`;
}

function synopsis<C>(name: string, command: Command<C>): string {
  const words = Object.entries(command.positionals).map(([key, word]) =>
    `[${argument(key, word)}]`.slice(...brackets(word)),
  );
  const rest = command.rest === undefined ? [] : ["\\-\\-", `\\fI${roff(command.rest)}\\fR`];
  return [`\\fBruncode ${roff(name)}\\fR`, "[options]", ...words, ...rest].join(" ");
}

/** What must be given stands without brackets. */
function brackets({ arity }: Positional): [number, number?] {
  return arity === "one" || arity === "some" ? [1, -1] : [0];
}

function argument(key: string, { arity }: Positional): string {
  return `\\fI${roff(key)}\\fR${arity === "many" || arity === "some" ? " ..." : ""}`;
}

function optionList(options: Options): string {
  const shown = Object.entries<Option>(options).filter(([, option]) => !option.hidden);
  return list(
    shown.map(([key, option]) => [
      `${option.short ? `\\fB\\-${option.short}\\fR, ` : ""}\\fB${roff(flagName(key))}\\fR${
        option.kind === "flag" ? "" : ` ${placeholder(option)}`
      }`,
      saidOf(option),
    ]),
  );
}

function placeholder(option: Exclude<Option, { kind: "flag" }>): string {
  const word = `\\fI${roff(option.placeholder)}\\fR`;
  return option.kind === "optional" ? `[${word}]` : word;
}

/** Terms are roff already, what is said of them is not. */
function list(rows: readonly (readonly [term: string, what: string])[]): string {
  return rows.map(([term, what]) => `.TP\n${term}\n${text(what)}`).join("\n");
}

function paragraphs(plain: string): string {
  return plain
    .trim()
    .split(/\n{2,}/)
    .map(text)
    .join("\n.PP\n");
}

function exitStatus(remote: boolean): string {
  return remote
    ? "The remote command's own; 128+n where signal n ended it; 255 for whatever went wrong outside of it."
    : "0 for success. Each kind of failure has a number of its own: see\n.BR runcode (1).";
}

function exitCodes(): string {
  const failures = Object.entries(EXIT_CODES) as [ErrorCode, number][];
  return list([
    ["0", "it worked"],
    ...failures.map(([code, exit]) => [`${exit} \\fB${code}\\fR`, MEANINGS[code]] as const),
    ["255", "of commands that exit with the remote command's own code: whatever went wrong outside of it"],
  ]);
}

function seeAlso(pages: readonly string[]): string {
  return pages.map((name, i) => `.BR ${roff(name)} (1)${i < pages.length - 1 ? " ," : ""}`).join("\n");
}

/** A line of its own: a first dot or quote would be a macro. */
function text(plain: string): string {
  return plain
    .split("\n")
    .map((line) => roff(line.trim()))
    .filter((line) => line !== "")
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line))
    .join("\n.br\n");
}

/** A hyphen that people may copy is a minus in roff; what is not ASCII is named, whatever the reader's locale. */
function roff(plain: string): string {
  return (
    plain
      .replaceAll("\\", "\\e")
      .replaceAll("-", "\\-")
      .replaceAll('"', "\\(dq")
      .replaceAll("'", "\\(aq")
      .replaceAll("`", "\\(ga")
      .replaceAll("^", "\\(ha")
      .replaceAll("~", "\\(ti")
      // Long documents may be broken after a comma, without a hyphen.
      .replace(/([,|])(?=\S)/g, "$1\\:")
      .replace(
        /[^\u0000-\u007f]/gu,
        (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
      )
  );
}
