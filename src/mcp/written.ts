// What a command wrote, as a model or a person reads it.
import { printableLines } from "../protocol/text.ts";

export interface Written {
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** Takes the two streams and a line of ours; gives one text without control characters. */
export function told({ stdout, stderr }: Written, last: string): string {
  const parts = [stdout, stderr ? `[stderr]\n${stderr}` : "", last];
  const lines = parts.flatMap((part) => (part ? [part.replace(/\n$/, "")] : []));
  return printableLines(lines.join("\n"));
}
