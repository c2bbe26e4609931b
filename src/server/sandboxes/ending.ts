// Ending a set of processes that may grow while it is being ended.
import { askToEnd, signalEach } from "./tree.ts";
import { systemClock } from "../../platform/clock.ts";

const POLL_MS = 20;
const ROUNDS = 250;

/**
 * Takes a function that lists the processes; asks them to end, and after `graceMs` ends them for certain, until the list
 * is empty. Gives whether it became so: what sits in the kernel and takes no signal may be left after five seconds.
 */
export async function endAll(list: () => Promise<readonly number[]>, graceMs: number): Promise<boolean> {
  let members = await list();
  if (members.length === 0) return true;
  if (graceMs > 0) {
    askToEnd(members);
    for (const until = Date.now() + graceMs; members.length > 0 && Date.now() < until; members = await list())
      await systemClock.sleep(POLL_MS);
  }
  for (let round = 0; members.length > 0 && round < ROUNDS; round++) {
    // Stopped first, so that none of them makes another one between the listing and the end.
    signalEach(members, "SIGSTOP");
    signalEach(await list(), "SIGKILL");
    members = await list();
    if (members.length > 0) await systemClock.sleep(POLL_MS);
  }
  return members.length === 0;
}
