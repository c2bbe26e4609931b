// A helper whose connection nobody serves any more may not have heard of it: with Docker's live-restore a container outlives
// dockerd, and so does the pipe that its helper reads. The server has told everybody that what ran through it was killed, so
// the next helper sees to it.
import { readFileSync } from "node:fs";
import { systemClock } from "../../../platform/clock.ts";
import { processes } from "../tree.ts";
import { selfArgv } from "./helper.ts";

/** Tells a helper that it has been succeeded: it ends what was started through it, and itself. */
export const SUCCEEDED = "SIGUSR2";

/** Theirs to end what they started; then they are ended. */
const PATIENCE_MS = 2_000;
const POLL_MS = 20;

/** Resolves when there is no other helper beside this process. */
export async function succeed(): Promise<void> {
  for (let waited = 0; elders().length > 0 && waited <= PATIENCE_MS; waited += POLL_MS) {
    if (waited === 0) tell(SUCCEEDED);
    await systemClock.sleep(POLL_MS);
  }
  tell("SIGKILL");
}

function tell(signal: NodeJS.Signals): void {
  for (const pid of elders()) {
    try {
      process.kill(pid, signal);
    } catch {
      // Just gone.
    }
  }
}

function elders(): number[] {
  return processes().flatMap(({ pid }) => (pid === process.pid || !isAgent(pid) ? [] : [pid]));
}

/** Whether a process is a helper. */
export function isAgent(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith([...selfArgv(), "sandbox-agent", ""].join("\0"));
  } catch {
    return false;
  }
}
