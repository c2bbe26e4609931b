// The table of commands: a name and how to load its module. Only the module of the command that was named is loaded; the
// whole table is walked for help, completion and man pages alone.
import type { Command } from "./define.ts";

export interface Entry<C> {
  readonly load: () => Promise<{ readonly default: Command<C> }>;
  /** Left out of help and completion. */
  readonly hidden?: true;
  /** Another command's name, for names that people in the field know. */
  readonly aliasOf?: string;
}

export type Registry<C> = Readonly<Record<string, Entry<C>>>;

/**
 * Takes the table, the first word and the words after it; gives the entry and the words that are left. A name of two
 * words ("serve token") wins over its first.
 */
export function find<C>(
  registry: Registry<C>,
  name: string,
  words: readonly string[],
): { name: string; entry: Entry<C>; words: readonly string[] } | null {
  const second = words.findIndex((word) => !word.startsWith("-"));
  const double = `${name} ${words[second] ?? ""}`;
  if (second >= 0 && !words.slice(0, second).includes("--") && Object.hasOwn(registry, double)) {
    return { name: double, entry: registry[double] as Entry<C>, words: words.toSpliced(second, 1) };
  }
  return Object.hasOwn(registry, name) ? { name, entry: registry[name] as Entry<C>, words } : null;
}
