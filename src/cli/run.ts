// From words to an exit code: finds the command, parses, runs it, prints what it gave or how it failed. The one place where
// an error becomes an exit code.
import { EXIT_CODES, RuncodeError } from "../protocol/errors.ts";
import { printableLines } from "../protocol/text.ts";
import type { Streams } from "../platform/streams.ts";
import type { Command } from "./define.ts";
import type { GlobalFlags } from "./globals.ts";
import { nearest } from "./nearest.ts";
import { Output } from "./output.ts";
import { parse, splitName } from "./parse.ts";
import { find, type Registry } from "./registry.ts";

export interface Program<C> {
  readonly version: string;
  readonly streams: Streams;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly registry: Registry<C>;
  readonly groups: readonly (readonly [title: string, names: readonly string[]])[];
  /** Builds what the handler is given. */
  context(flags: GlobalFlags, out: Output, command: Command<C>): C;
}

/** Failures outside the remote command of `exec`, `ssh` and `jobs wait`, as OpenSSH has them. */
const NOT_THE_REMOTE_COMMANDS = 255;

/** Takes argv after the program's name; gives the exit code. Never throws. */
export async function run<C>(program: Program<C>, argv: readonly string[]): Promise<number> {
  const beforeEnd = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  // Until the words are parsed, a failure is printed as the words seem to ask for it.
  let out = output(program, { json: beforeEnd.includes("--json"), quiet: false });
  let command: Command<C> | undefined;
  try {
    const split = splitName(argv);
    if (split.name === undefined) return await withoutCommand(program, out, split.words);
    if (split.name === "help")
      return await help(
        program,
        out,
        split.words.filter((word) => !word.startsWith("-")),
      );
    const found = find(program.registry, split.name, split.words);
    const asksForHelp = beforeEnd.includes("--help") || beforeEnd.includes("-h");
    if (!found && asksForHelp && split.words.every((word) => word.startsWith("-")))
      return await help(program, out, [split.name]);
    if (!found) throw unknownCommand(program, split.name);
    const name = found.entry.aliasOf ?? found.name;
    command = (await found.entry.load()).default;
    if (asksForHelp) return await help(program, out, [name]);
    const { args, flags } = parse(found.name, command, found.words);
    out = output(program, flags);
    const result = await command.run(args as never, program.context(flags, out, command));
    if (result && flags.json && result.json !== undefined) out.document(result.json);
    else if (result && !flags.json && result.text)
      out.data(result.text.endsWith("\n") ? result.text : `${result.text}\n`);
    return (result && result.exit) ?? 0;
  } catch (thrown) {
    if (command?.silent) {
      if (out.json) out.document(command.silent.json);
      return 0;
    }
    return fail(
      program,
      out,
      thrown,
      command?.remoteExitCode === true || argv[0] === "exec",
      beforeEnd.includes("--debug"),
    );
  }
}

function output<C>({ streams, env }: Program<C>, { json, quiet }: Pick<GlobalFlags, "json" | "quiet">): Output {
  return new Output({ streams, env, json, quiet });
}

function fail<C>({ streams }: Program<C>, out: Output, thrown: unknown, remote: boolean, debug: boolean): number {
  const error =
    thrown instanceof RuncodeError
      ? thrown
      : new RuncodeError("error", `unexpected: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
          hint: "run it again with --debug and report what it prints",
          cause: thrown,
        });
  const exit = EXIT_CODES[error.code];
  if (exit < 128) out.failure(error);
  else if (out.json) out.document(error);
  if (debug)
    for (let e: unknown = error; e instanceof Error; e = e.cause)
      streams.stderr.write(`${printableLines(e.stack ?? e.message)}\n`);
  return remote && exit < 128 ? NOT_THE_REMOTE_COMMANDS : exit;
}

async function withoutCommand<C>(program: Program<C>, out: Output, words: readonly string[]): Promise<number> {
  const { flags } = parse("", null, words);
  if (flags.version) {
    if (flags.json) out.document({ version: program.version });
    else out.data(`${program.version}\n`);
    return 0;
  }
  if (flags.json && !flags.help) throw new RuncodeError("usage", "no command was given", { hint: "runcode --help" });
  return help(program, out, []);
}

async function help<C>(program: Program<C>, out: Output, words: readonly string[]): Promise<number> {
  const { commandHelp, groupHelp, programHelp } = await import("./help.ts");
  const say = (text: string): number => {
    if (out.json) out.document({ help: text });
    else out.data(text);
    return 0;
  };
  const name = words.join(" ");
  const group = membersOf(program, name);
  if (group.length > 0 && !Object.hasOwn(program.registry, name)) {
    const members = group.map(async (each) => [each, await commandOf(program, each)] as const);
    return say(groupHelp(name, await Promise.all(members)));
  }
  if (name !== "") {
    const found = find(program.registry, words[0] ?? "", words.slice(1));
    if (!found) throw unknownCommand(program, name);
    return say(await commandHelp(found.entry.aliasOf ?? found.name, (await found.entry.load()).default));
  }
  const groups = await Promise.all(
    program.groups.map(async ([title, names]) => {
      const there = names.filter((each) => Object.hasOwn(program.registry, each));
      return [
        title,
        await Promise.all(there.map(async (each) => [each, await commandOf(program, each)] as const)),
      ] as const;
    }),
  );
  return say(programHelp(groups));
}

/** The commands of two words whose first is this one. */
function membersOf<C>({ registry }: Program<C>, first: string): readonly string[] {
  return Object.keys(registry).filter(
    (each) => first !== "" && each.startsWith(`${first} `) && !registry[each]?.hidden,
  );
}

async function commandOf<C>({ registry }: Program<C>, name: string): Promise<Command<C>> {
  return (await (registry[name] as Registry<C>[string]).load()).default;
}

function unknownCommand<C>(program: Program<C>, name: string): RuncodeError {
  const first = name.split(" ")[0] as string;
  const further = membersOf(program, first);
  if (further.length > 0) {
    const words = further.map((each) => each.slice(first.length + 1)).join(", ");
    return new RuncodeError("usage", `${first} takes one of ${words}`, { hint: `runcode ${first} --help` });
  }
  const near = nearest(
    name,
    Object.keys(program.registry).filter((each) => !program.registry[each]?.hidden),
  );
  return new RuncodeError("usage", `there is no command ${JSON.stringify(name)}`, {
    hint: near ? `did you mean: runcode ${near}` : "runcode --help lists them",
  });
}
