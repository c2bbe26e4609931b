// What the completion scripts are written from: the commands and flags, and what may stand where.
import { flagName, type Command, type Option } from "../define.ts";
import { GLOBAL_OPTIONS } from "../globals.ts";
import { schemaFile, schemaNames } from "../json-schema.ts";

export interface Flag {
  /** `--name`, and `-n` where there is one. */
  readonly long: string;
  readonly short: string | null;
  readonly summary: string;
  /** Null where it takes no value. */
  readonly value: Words | null;
}

/** What may stand in a place: known words, the names of workspaces, files here, files there, first here and then either, or anything. */
export type Words =
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  | { readonly kind: "workspace" | "files" | "remote" | "either" | "any" };

export interface Shape {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  readonly words: Words;
}

export interface Tree {
  readonly globals: readonly Flag[];
  readonly commands: readonly Shape[];
}

/** Takes the commands; gives what the scripts are written from. A name of two words is also a choice of its first. */
export function treeOf<C>(commands: readonly (readonly [name: string, command: Command<C>])[]): Tree {
  const second = commands.map(([name]) => name.split(" ")).filter((words) => words.length > 1);
  return {
    globals: Object.entries<Option>(GLOBAL_OPTIONS).map(flagOf),
    commands: commands.map(([name, command]) => {
      const further = second.filter(([first]) => first === name).map(([, word]) => word ?? "");
      return {
        name,
        summary: command.summary,
        flags: Object.entries(command.options)
          .filter(([, option]) => !option.hidden)
          .map(flagOf),
        words: further.length > 0 ? { kind: "choices", choices: further } : wordsOf(command, commands),
      };
    }),
  };
}

/** The commands of one word, and those of two. */
export function byLength({ commands }: Tree): readonly [one: readonly Shape[], two: readonly Shape[]] {
  return [commands.filter(({ name }) => !name.includes(" ")), commands.filter(({ name }) => name.includes(" "))];
}

const KINDS = {
  workspace: "workspace",
  local: "files",
  remote: "remote",
  "local, then remote": "either",
} as const;

function flagOf([key, option]: readonly [string, Option]): Flag {
  return {
    long: flagName(key),
    short: option.short ? `-${option.short}` : null,
    summary: option.summary,
    value: valueOf(key, option),
  };
}

function valueOf(key: string, option: Option): Words | null {
  if (option.kind === "flag") return null;
  if ("choices" in option && option.choices) return { kind: "choices", choices: option.choices };
  if (key === "workspace") return { kind: "workspace" };
  if ("complete" in option && option.complete) return { kind: option.complete === "remote" ? "remote" : "files" };
  const files = "placeholder" in option && /FILE|DIR|PATH/.test(option.placeholder);
  return { kind: files ? "files" : "any" };
}

function wordsOf<C>(command: Command<C>, all: readonly (readonly [name: string, command: Command<C>])[]): Words {
  const [first] = Object.values(command.positionals);
  if (first?.complete === "schema") return { kind: "choices", choices: schemaNames(all).map(schemaFile) };
  if (first?.choices) return { kind: "choices", choices: first.choices };
  return { kind: first?.complete === undefined ? "any" : KINDS[first.complete] };
}
