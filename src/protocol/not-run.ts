// How a gateway tells our client that a command was never begun. A refusal can only be words on stderr and exit code 255, which a
// command may have as well; a line with the command's own id, first of all, sets them apart. Other clients see just the words.
import type { ErrorCode } from "./errors.ts";

/** The codes that a refusal may have; the client takes no other from a gateway. */
const CODES: readonly ErrorCode[] = ["conflict", "not_ready", "forbidden", "unavailable", "start_failed", "not_found"];
const ID = /^.{0,80}RUNCODE_EXEC_ID=([0-9a-f]{16});/s;

/** Takes a command's line and the code of what went wrong; gives what to say before the reason: nothing to clients that did not ask. */
export function notRunLine(command: string, code: ErrorCode | undefined): string {
  const id = ID.exec(command)?.[1];
  return id === undefined ? "" : `${notRunMarker(id)}${code !== undefined && CODES.includes(code) ? code : "-"}\n`;
}

export function notRunMarker(id: string): string {
  return `runcode-not-run-${id} `;
}

/** Takes what stood after the marker; gives the code, where it is one that a gateway may give, and the reason. */
export function readNotRun(text: string): { code: ErrorCode | null; reason: string } {
  const [first = "", ...rest] = text.split("\n");
  const code = CODES.find((each) => each === first) ?? null;
  return {
    code,
    reason: rest
      .join(" ")
      .replace(/^runcode: /, "")
      .trim(),
  };
}
