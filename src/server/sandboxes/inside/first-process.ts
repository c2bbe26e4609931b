// The container's first process (hold.ts), as the helper sees it.
import { readFileSync } from "node:fs";
import { systemClock } from "../../../platform/clock.ts";

/** SIGTERM's bit in the masks of /proc/PID/status. */
const SIGTERM = 1n << 14n;
/** A machine that is so busy is busy with more than this. */
const PATIENCE_MS = 5_000;
const POLL_MS = 10;

/**
 * Resolves when the first process has all that it will ever need, threads among them: from then on a workspace whose processes
 * are used up does not end with it. It is the last thing that it does to listen for SIGTERM.
 */
export async function firstProcessReady(): Promise<void> {
  for (let waited = 0; !listens() && waited < PATIENCE_MS; waited += POLL_MS) await systemClock.sleep(POLL_MS);
}

function listens(): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/1/status", "utf8"))?.[1] ?? "0";
    return (BigInt(`0x${caught}`) & SIGTERM) !== 0n;
  } catch {
    return true;
  }
}
