// The frame of a command: how one is declared, and what its handler is given. A command is one file in src/commands that
// default-exports a declaration; everything else here (parsing, help, output, exit codes) reads that declaration.
import type { GenericSchema, InferOutput } from "valibot";

interface OptionBase {
  readonly summary: string;
  readonly short?: string;
  readonly hidden?: true;
}
/** `flag` is a boolean; `optional` a text that may be left out, and is "" then; `seconds` takes 90, 90s, 15m or 2h and gives seconds; `integer` a whole number; `list` may be repeated. */
export type Option =
  | (OptionBase & { readonly kind: "flag" })
  | (OptionBase & {
      readonly kind: "string";
      readonly placeholder: string;
      readonly choices?: readonly string[];
      readonly complete?: "local" | "remote";
    })
  | (OptionBase & { readonly kind: "optional"; readonly placeholder: string })
  | (OptionBase & {
      readonly kind: "list";
      readonly placeholder: string;
      readonly choices?: readonly string[];
      readonly complete?: "local" | "remote";
    })
  | (OptionBase & {
      readonly kind: "integer";
      readonly placeholder: string;
      readonly min?: number;
      readonly max?: number;
    })
  | (OptionBase & { readonly kind: "seconds"; readonly placeholder: string });

export interface Positional {
  readonly summary: string;
  /** `many` is any number, `some` at least one. */
  readonly arity: "one" | "optional" | "many" | "some";
  /** What completion offers for it. */
  readonly complete?: "workspace" | "local" | "remote" | "local, then remote" | "schema";
  /** What completion offers where the words are known; the handler says what else is wrong. */
  readonly choices?: readonly string[];
}

export type Options = Readonly<Record<string, Option>>;
export type Positionals = Readonly<Record<string, Positional>>;

type OptionValue<O extends Option> = O["kind"] extends "flag"
  ? boolean
  : O["kind"] extends "list"
    ? readonly string[]
    : O["kind"] extends "integer" | "seconds"
      ? number | undefined
      : string | undefined;
type PositionalValue<P extends Positional> = P["arity"] extends "one"
  ? string
  : P["arity"] extends "optional"
    ? string | undefined
    : readonly string[];

/** What a handler receives: options and positionals under their declared names, and what stood after `--`. */
export type Args<O extends Options, P extends Positionals> = { readonly [K in keyof O]: OptionValue<O[K]> } & {
  readonly [K in keyof P]: PositionalValue<P[K]>;
} & { readonly rest: readonly string[] };

/** What a handler gives: the document for `--json`, the text for a person, and an exit code where it is not 0. */
export interface Result<D = unknown> {
  readonly json?: D;
  readonly text?: string;
  readonly exit?: number;
}

/** What may be printed as a document of this schema; nothing in it needs to be writable. */
export type Document<S extends GenericSchema> = Frozen<InferOutput<S>>;
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

export interface CommandSpec<C, O extends Options, P extends Positionals, S extends GenericSchema> {
  /** One line, without a full stop, in the imperative. */
  readonly summary: string;
  /** What the help page says beyond the summary; plain paragraphs. */
  readonly description?: string;
  /** In the order in which they are written on the command line. */
  readonly positionals?: P;
  readonly options?: O;
  /** The name of what may follow `--`; absent means nothing may. */
  readonly rest?: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** The schema of what `--json` prints, never loaded when the command runs; null where it prints nothing. */
  readonly schema: (() => Promise<{ readonly default: S }>) | null;
  /** In which case several documents of that schema are printed, one on each line: "with --follow". */
  readonly jsonLines?: string;
  /** Failures outside the remote command exit 255 here, as OpenSSH's own do: `exec`, `ssh`, `jobs wait`. */
  readonly remoteExitCode?: true;
  /** It never fails: wrong words and every error print nothing and exit 0, and under --json this document. */
  readonly silent?: { readonly json: Document<NoInfer<S>> };
  /** `--profile` may name one that is not there yet. */
  readonly newProfile?: true;
  run(args: Args<O, P>, context: C): Promise<Result<Document<NoInfer<S>>> | void>;
}

/** A declaration with its types forgotten, as the frame handles it. */
export interface Command<C> extends CommandSpec<C, Options, Positionals, GenericSchema> {
  readonly options: Options;
  readonly positionals: Positionals;
}

/** Gives `defineCommand` for a kind of context; the handler's arguments follow from what was declared. */
export function commandsOf<C>() {
  return <const O extends Options = {}, const P extends Positionals = {}, S extends GenericSchema = GenericSchema>(
    spec: CommandSpec<C, O, P, S>,
  ): Command<C> => ({ options: {}, positionals: {}, ...spec }) as unknown as Command<C>;
}

/** What help and manual pages say of an option. */
export function saidOf(option: Option): string {
  const choices = "choices" in option ? option.choices : undefined;
  return choices ? `${option.summary}: ${choices.join(", ")}` : option.summary;
}

/** A command's description with each paragraph on one line, for a page to break where it ends; an indented line stands by itself. */
export function proseOf<C>({ description }: Command<C>): string | undefined {
  return description?.replaceAll(/(?<=\S)\n(?=\S)/g, " ");
}

/** `noWait` → `--no-wait` */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
