// The environment of processes in a sandbox. It is built from nothing: what the server was started with may hold tokens.
import { RuncodeError } from "../../protocol/errors.ts";

/** What a sandbox without a system of its own takes from the server's environment. */
const INHERITED = ["PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR"];
const LOCALE = /^LC_[A-Z]+$/;

/** Where programs are on a machine that follows the FHS. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Env = Readonly<Record<string, string>>;

/** Takes the server's environment; gives the part of it that every process may know. */
export function inherited(from: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && (INHERITED.includes(name) || LOCALE.test(name))) env[name] = value;
  }
  return env;
}

/** Takes what a caller wants added; gives it back. Throws RuncodeError `bad_request` for what is no environment variable. */
export function checkedEnv(env: Env = {}): Env {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes("\0"))
      throw new RuncodeError("bad_request", `not an environment variable: ${JSON.stringify(name)}`);
  }
  return env;
}

/** Takes a request's command and the sandbox's shell; gives the argv. Throws RuncodeError `bad_request` when none can be made of it. */
export function argvOf(command: string | null | readonly string[], shell: string): readonly string[] {
  const argv = command === null ? [shell, "-l"] : typeof command === "string" ? [shell, "-c", command] : command;
  if (!argv[0] || argv.some((arg) => arg.includes("\0")))
    throw new RuncodeError("bad_request", "a command is at least one word, and none of them holds a NUL");
  return argv;
}
