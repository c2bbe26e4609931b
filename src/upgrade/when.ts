// Whether anything may be said about a newer version after a command. Kept apart, and small: it is all that the hot path
// loads of this folder.

/** The commands of people. Whatever agents, editors, prompts and scripts call again and again is not among them. */
const UNHURRIED = new Set(
  "login logout list create start stop delete open connect disconnect config-ssh install-statusline doctor clean".split(
    " ",
  ),
);

interface Moment {
  readonly command: string | undefined;
  readonly flags: { readonly json: boolean; readonly quiet: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether stderr is a terminal. */
  readonly terminal: boolean;
}

/** Only to a person at a terminal, who did not switch it off. */
export function mayMention({ command, flags, env, terminal }: Moment): boolean {
  if (!terminal || flags.json || flags.quiet) return false;
  if (env["CI"] || env["RUNCODE_NO_UPDATE_NOTIFIER"]) return false;
  return command !== undefined && UNHURRIED.has(command);
}
