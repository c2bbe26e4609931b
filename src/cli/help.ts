// Help pages. Commander lays them out from the declarations; nothing else of the program loads it.
import { Command as Page, Help } from "commander";
import { flagName, proseOf, saidOf, type Command, type Option, type Options, type Positional } from "./define.ts";
import { outline } from "./outline.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import { commandSchema, type JsonSchema } from "./json-schema.ts";

type Named<C> = readonly [name: string, command: Command<C>];

/** The help page of one command. */
export async function commandHelp<C>(name: string, command: Command<C>): Promise<string> {
  const page = blank(`runcode ${name}`).description([command.summary, proseOf(command)].filter(Boolean).join(".\n\n"));
  const words = Object.entries(command.positionals).map(([key, positional]) => placeholder(key, positional));
  page.usage(["[options]", ...words, ...(command.rest === undefined ? [] : ["--", command.rest])].join(" "));
  for (const [key, positional] of Object.entries(command.positionals))
    page.argument(placeholder(key, positional), positional.summary);
  addOptions(page, command.options);
  return [
    page.helpInformation(),
    `Examples:\n${command.examples.map(([line, what]) => `  $ ${line}\n      ${what}\n`).join("")}`,
    ...documents(name, await commandSchema(name, command)),
    GLOBALS,
  ].join("\n");
}

/** The page that lists all commands, in the order in which people meet them. */
export function programHelp<C>(groups: readonly (readonly [title: string, commands: readonly Named<C>[]])[]): string {
  return [
    "Reach a remote workspace over plain OpenSSH, with keys that live half an hour.\n",
    "Usage: runcode <command> [options]\n",
    ...groups.map(([title, commands]) =>
      rows(
        title,
        commands.map(([name, { summary }]) => [name, summary]),
        18,
      ),
    ),
    GLOBALS,
    "runcode <command> --help says more about each.\n",
  ].join("\n");
}

/** The page of a word that is no command alone, and begins several. */
export function groupHelp<C>(name: string, commands: readonly Named<C>[]): string {
  const lines = commands.map(([each, { summary }]) => [each, summary] as const);
  return [
    `Usage: runcode ${name} <command> [options]\n`,
    rows("Commands", lines, 18),
    GLOBALS,
    `runcode ${name} <command> --help says more about each.\n`,
  ].join("\n");
}

function documents(name: string, schema: JsonSchema | null): string[] {
  if (schema === null) return [];
  return [
    `With --json (runcode schema ${name} says what each field is):\n${outline(schema)
      .map((line) => `  ${line}\n`)
      .join("")}`,
  ];
}

const GLOBALS = rows(
  "Options of every command",
  Object.entries<Option>(GLOBAL_OPTIONS).map(([key, option]) => [flags(key, option), option.summary]),
  18,
);

function rows(title: string, lines: readonly (readonly [string, string])[], width: number): string {
  const help = new Help();
  help.helpWidth = 120;
  return `${title}:\n${lines.map(([term, what]) => `${help.formatItem(term, width, what, help)}\n`).join("")}`;
}

function blank(name: string): Page {
  return new Page(name).helpOption(false).helpCommand(false).configureHelp({ helpWidth: 120 });
}

function addOptions(page: Page, options: Options): void {
  for (const [key, option] of Object.entries(options))
    if (!option.hidden) page.option(flags(key, option), saidOf(option));
}

function placeholder(key: string, { arity }: Positional): string {
  const name = arity === "many" || arity === "some" ? `${key}...` : key;
  return arity === "one" || arity === "some" ? `<${name}>` : `[${name}]`;
}

function flags(key: string, option: Option): string {
  const value =
    option.kind === "flag" ? "" : option.kind === "optional" ? ` [${option.placeholder}]` : ` <${option.placeholder}>`;
  return `${option.short ? `-${option.short}, ` : ""}${flagName(key)}${value}`;
}
