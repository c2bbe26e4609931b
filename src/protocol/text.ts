// Text that came from somebody else, before a person sees it.

/** C0, DEL, C1, and the bidirectional and zero-width marks that make a terminal show another text than the one that is there. */
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Takes any text from a server, a workspace or a remote command; gives it without control characters, on one line. */
export function printable(text: string): string {
  return text.replace(HOSTILE, "");
}

/** As `printable`, but line ends and tabs stay: for texts of several lines. */
export function printableLines(text: string): string {
  return text.replace(HOSTILE, (char) => (char === "\n" || char === "\t" ? char : ""));
}

const LINE_LENGTH = 2000;

/** Takes any text; gives it on one line, its line ends as ` | `, without control characters, 2000 characters at most. */
export function oneLine(text: string): string {
  // Cut before it is looked at: what is sent to us may be long, and be made of what takes long to look at.
  const start = text
    .trimStart()
    .slice(0, 4 * LINE_LENGTH)
    .trimEnd();
  return printable(start.replace(/\s*[\r\n]+\s*/g, " | ")).slice(0, LINE_LENGTH);
}
