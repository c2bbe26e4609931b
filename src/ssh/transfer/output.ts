// stdout of a script that only answers.

/** More than this is noise of start-up files, in bytes. */
const KEPT = 64 * 1024;

/** Takes a script's stdout; gives the end of its text once it has closed. */
export async function readAnswers(stdout: AsyncIterable<Uint8Array>): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stdout) kept = Buffer.concat([kept, chunk]).subarray(-KEPT);
  return kept.toString("utf8");
}
