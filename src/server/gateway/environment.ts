// Which variables a client may set: an allow-list, since LD_PRELOAD and its like would be commands.

const EXACT = new Set([
  "LANG",
  "LANGUAGE",
  "TZ",
  "TERM",
  "COLORTERM",
  "TERM_PROGRAM",
  "TERM_PROGRAM_VERSION",
  "NO_COLOR",
  "FORCE_COLOR",
  "CI",
  // Protocol version 2 of git is asked for through it.
  "GIT_PROTOCOL",
  "GIT_AUTHOR_NAME",
  "GIT_AUTHOR_EMAIL",
  "GIT_COMMITTER_NAME",
  "GIT_COMMITTER_EMAIL",
]);
const PATTERN = /^LC_[A-Z0-9_]{1,40}$/;
const MAX_VALUE = 4096;
const MAX_VARIABLES = 64;

/** Adds the variable when its name is on the list and the value is harmless; says whether it did. */
export function admit(env: Record<string, string>, name: string, value: string): boolean {
  if (!EXACT.has(name) && !PATTERN.test(name)) return false;
  if (value.length > MAX_VALUE || value.includes("\0")) return false;
  if (!(name in env) && Object.keys(env).length >= MAX_VARIABLES) return false;
  env[name] = value;
  return true;
}
