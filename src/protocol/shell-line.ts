// A line that every login shell reads alike: it asks for one thing only, to become /bin/sh with a script. And the note on such a script
// that it ends in that same login shell, so that a gateway of ours need not start it twice; what other servers do is the same.

/**
 * Takes a script in POSIX sh; gives the line. In bash, dash, zsh, fish and csh a single-quoted string is itself, but for the
 * quote, the backslash (fish), the exclamation mark and the line end (csh); those travel as the octal escapes of printf's %b,
 * whose backslash is followed by 0 and thus literal even to fish.
 */
export function forAnyShell(script: string): string {
  if (!/['\\!\r\n]/.test(script)) return `exec /bin/sh -c '${script}'`;
  const escaped = script.replace(/['\\!\r\n]/g, (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${escaped}'`;
}

/** Stands after the id in a script whose last step is the account's own shell. To sh it means nothing. */
export const OWN_SHELL_LAST = ": own-shell-last";

const PLAIN = /^exec \/bin\/sh -c '([^'\\!\r\n]*)'$/;
const ESCAPED = /^exec \/bin\/sh -c 'eval "\$\(printf %b "\$1"\)"' sh '((?:[^'\\!\r\n]|\\0[0-7]{3})*)'$/;
const BEGINS = new RegExp(`^RUNCODE_EXEC_ID=[0-9a-f]{16}; ${OWN_SHELL_LAST}; `);

/** Takes the line of a command; gives the script that may be run by /bin/sh at once, or null for every other line. */
export function scriptBeforeOwnShell(line: string): string | null {
  const script =
    PLAIN.exec(line)?.[1] ??
    ESCAPED.exec(line)?.[1]?.replace(/\\0([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
  return script !== undefined && BEGINS.test(script) ? script : null;
}
