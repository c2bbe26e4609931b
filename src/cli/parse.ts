// argv → the command's arguments, by its declaration. What the words may be is decided here, so that every refusal is a
// `usage` error that names the word and what to write instead.
import { RuncodeError } from "../protocol/errors.ts";
import { flagName, type Command, type Option, type Options } from "./define.ts";
import { GLOBAL_OPTIONS, type GlobalFlags } from "./globals.ts";
import { nearest } from "./nearest.ts";
import { tokens } from "./tokens.ts";

type Values = Record<string, unknown>;

/** Takes argv after the program's name; gives the command's name, found behind leading global flags, and all other words. */
export function splitName(argv: readonly string[]): { name: string | undefined; words: readonly string[] } {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === "--") break;
    if (!word.startsWith("-") || word === "-")
      return { name: word, words: [...argv.slice(0, i), ...argv.slice(i + 1)] };
    const option = Object.entries(GLOBAL_OPTIONS).find(([key]) => flagName(key) === word)?.[1];
    if (option && option.kind !== "flag") i++;
  }
  return { name: undefined, words: argv };
}

/**
 * Takes a declaration (null where only global flags may stand) and the words of the command line; gives the handler's
 * arguments and the global flags. Throws RuncodeError `usage`.
 */
export function parse<C>(
  name: string,
  command: Command<C> | null,
  words: readonly string[],
): { args: Values; flags: GlobalFlags } {
  const options: Options = { ...GLOBAL_OPTIONS, ...command?.options };
  const byFlag = new Map(Object.entries(options).map(([key, option]) => [flagName(key).slice(2), { key, option }]));
  const split = Object.fromEntries(
    [...byFlag].map(([flag, { option }]) => [flag, { ...valueOf(option), ...short(option) }]),
  );

  const values: Values = Object.fromEntries(Object.entries(options).map(([key, option]) => [key, empty(option)]));
  const positionals: string[] = [];
  const rest: string[] = [];
  let terminated = false;
  for (const token of tokens(words, split)) {
    if (token.kind === "option-terminator") terminated = true;
    else if (token.kind === "positional")
      (terminated && command?.rest !== undefined ? rest : positionals).push(token.value);
    else {
      const found = byFlag.get(token.name);
      if (!found) throw unknownOption(name, token.rawName, [...byFlag.keys()]);
      values[found.key] = accept(token.rawName, found.option, token.value, values[found.key]);
    }
  }
  return { args: { ...values, ...place(name, command, positionals), rest }, flags: values as unknown as GlobalFlags };
}

const valueOf = ({ kind }: Option): { value: boolean | "optional" } => ({
  value: kind === "optional" ? kind : kind !== "flag",
});
const short = (option: Option): { short?: string } => (option.short ? { short: option.short } : {});

function empty(option: Option): unknown {
  if (option.kind === "flag") return false;
  return option.kind === "list" ? [] : undefined;
}

function accept(flag: string, option: Option, value: string | undefined, before: unknown): unknown {
  if (option.kind === "flag") {
    if (value !== undefined) throw new RuncodeError("usage", `${flag} takes no value`);
    return true;
  }
  if (value === undefined) throw new RuncodeError("usage", `${flag} needs a value: ${flag} ${option.placeholder}`);
  switch (option.kind) {
    case "list":
      return [...(before as string[]), choice(flag, option, value)];
    case "integer":
      return integer(flag, value, option.min ?? 0, option.max ?? Number.MAX_SAFE_INTEGER);
    case "seconds":
      return seconds(flag, value);
    case "optional":
      return value;
    case "string":
      return choice(flag, option, value);
  }
}

function choice(flag: string, { choices }: { choices?: readonly string[] }, value: string): string {
  if (choices && !choices.includes(value)) {
    throw new RuncodeError("usage", `${flag} takes one of ${choices.join(", ")}`);
  }
  return value;
}

function integer(flag: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(number) || number < min || number > max) {
    throw new RuncodeError(
      "usage",
      `${flag} takes a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`}`,
    );
  }
  return number;
}

const UNIT_SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };
const LONGEST_SECONDS = 30 * 24 * 3600;

function seconds(flag: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value);
  const number = Number(match?.[1]) * (UNIT_SECONDS[match?.[2] ?? "s"] ?? 1);
  if (!(number > 0) || number > LONGEST_SECONDS) {
    throw new RuncodeError("usage", `${flag} takes a time such as 90, 90s, 15m or 2h`);
  }
  return number;
}

function place<C>(name: string, command: Command<C> | null, words: readonly string[]): Values {
  const left = [...words];
  const placed: Values = {};
  for (const [key, { arity }] of Object.entries(command?.positionals ?? {})) {
    const found = arity === "many" || arity === "some" ? left.splice(0) : left.shift();
    placed[key] = found;
    if ((arity === "one" && found === undefined) || (arity === "some" && found?.length === 0))
      throw usage(name, `<${key}> is missing`);
  }
  if (left.length > 0 && command) {
    const after = command.rest === undefined ? "" : "; what is to run on the workspace goes after `--`";
    throw usage(name, `unexpected ${JSON.stringify(left[0])}${after}`);
  }
  return placed;
}

function usage(name: string, message: string): RuncodeError {
  return new RuncodeError("usage", `${name}: ${message}`, { hint: `runcode ${name} --help` });
}

function unknownOption(name: string, flag: string, known: readonly string[]): RuncodeError {
  const near = nearest(flag.replace(/^-+/, ""), known);
  const message = `${name ? `${name}: ` : ""}unknown option ${flag}`;
  return new RuncodeError("usage", message, {
    hint: near ? `did you mean --${near}?` : `runcode ${name ? `${name} ` : ""}--help`,
  });
}
