// The one function through which anything goes that a remote shell will read.

/**
 * Takes one word; gives it quoted for any POSIX shell, so that it arrives as it is: single quotes, and each single quote of
 * its own as '\''. NUL cannot be in an argument of any program and is refused. Words of safe characters stay bare.
 * Throws RangeError for a NUL.
 */
export function quoteWord(word: string): string {
  if (word.includes("\0")) throw new RangeError("an argument cannot contain a NUL character");
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** As `quoteWord`, for a whole argv. */
export function quoteArgv(argv: readonly string[]): string {
  return argv.map(quoteWord).join(" ");
}
