// What this program calls itself to the control plane: who drives it matters to whoever reads a session list.

/** Takes the environment; gives the body field `client`: RUNCODE_CLIENT, `codex`, `claude-code` or `cli`. */
export function clientName(env: Readonly<Record<string, string | undefined>>): string {
  const given = env["RUNCODE_CLIENT"];
  if (given && /^[\w.+/ -]{1,100}$/.test(given)) return given;
  if (["CODEX_HOME", "CODEX_THREAD_ID", "CODEX_MANAGED_PACKAGE_ROOT", "CODEX_CI"].some((name) => env[name]))
    return "codex";
  return env["CLAUDECODE"] ? "claude-code" : "cli";
}
