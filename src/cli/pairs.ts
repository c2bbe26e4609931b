// Names with values, as flags and files give them. A value may be a secret: no error repeats one.
import { readIfThere } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Pair = readonly [name: string, value: string];

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The options of commands that set variables in what they make; `variables` reads what they were given. */
export const VARIABLE_OPTIONS = {
  env: {
    kind: "list",
    short: "e",
    placeholder: "NAME[=VALUE]",
    summary: "set a variable in it, without =VALUE to what it is here; may be repeated",
  },
  envFile: {
    kind: "list",
    placeholder: "FILE",
    summary: "set the variables in FILE, one NAME=VALUE on each line; may be repeated",
    complete: "local",
  },
} as const;

/**
 * Takes what `--env` and `--env-file` were given, and this program's own environment, which a name without a value is taken
 * from; gives the variables. A flag wins over a file, and what comes later over what came before. Throws RuncodeError `usage`,
 * and `io` for a file that cannot be read.
 */
export async function variables(
  flags: readonly string[],
  files: readonly string[],
  env: Env,
): Promise<Record<string, string>> {
  const given: Pair[] = [];
  for (const file of files) given.push(...(await fromFile(file, env)));
  for (const flag of flags) given.push(variable(flag, env, "--env"));
  return Object.fromEntries(given);
}

/** Takes what `--label` was given; gives the labels. One without a value has an empty one. Throws RuncodeError `usage`. */
export function labels(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.map((flag): Pair => {
      const [key, value] = split(flag);
      if (key === "") throw new RuncodeError("usage", "--label takes KEY=VALUE");
      return [key, value ?? ""];
    }),
  );
}

/** As Docker reads them: a variable on each line, its value as it stands, with no quotes taken away. */
async function fromFile(file: string, env: Env): Promise<Pair[]> {
  const text = await readIfThere(file);
  if (text === null) throw new RuncodeError("usage", `--env-file: there is no file ${file}`);
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .flatMap((line, at) => {
      const words = line.trimStart();
      return words === "" || words.startsWith("#") ? [] : [variable(words, env, `${file}, line ${at + 1}`)];
    });
}

function variable(text: string, env: Env, where: string): Pair {
  const [name, value = env[name]] = split(text);
  if (!NAME.test(name))
    throw new RuncodeError("usage", `${where}: takes NAME=VALUE, or NAME alone for the value that it has here`, {
      hint: "a name has letters, digits and underscores, and does not start with a digit",
    });
  if (value === undefined) throw new RuncodeError("usage", `${where}: ${name} is not set here`);
  return [name, value];
}

function split(text: string): readonly [name: string, value: string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
