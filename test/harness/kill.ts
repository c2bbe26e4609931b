// The end of a process that is no child of ours: it holds its ports and locks a moment longer than kill(2) takes to return.
import { readFileSync } from "node:fs";

/** Kills the process and resolves once it holds nothing any more. */
export async function killForGood(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await processEnd(pid);
}

/** Resolves once the process holds nothing any more. */
export async function processEnd(pid: number): Promise<void> {
  while (lives(pid)) await Bun.sleep(5);
}

/** One that nobody has waited for yet has let go of everything all the same. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
