/**
 * A program that a workspace may have: with a file's name it writes its stdin there, and either way it prints the SHA-256 of
 * what it read. Where it is missing, what the system has is used. A container's helper brings it along, and so do the
 * workspaces on the server's own machine.
 */
export const RECEIVER = "/.runcode/receive";
/** The variable that names it in a workspace which has it elsewhere. */
export const RECEIVER_VARIABLE = "RUNCODE_RECEIVER";

/** Takes the argv of this program, as the workspace sees it; gives the receiver: a script, since whoever looks for it has a shell. */
export function receiverScript(self: readonly string[]): string {
  const words = self.map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  return `#!/bin/sh\nexec ${words.join(" ")} sandbox-receive "$@"\n`;
}
