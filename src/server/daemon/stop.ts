// Stopping a server from outside: asks it by SIGTERM and waits until it has let go of its directory.
import type { Clock } from "../../platform/clock.ts";
import { errno } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { DataDir } from "./data-dir.ts";
import { END_MS } from "./parts.ts";
import { isClaimed, runningServer, type ServerState } from "./state.ts";

/** Longer than the server gives itself to end. */
const WAIT_MS = END_MS + 10_000;

/** Gives the server that was stopped, or null when none ran. Throws RuncodeError `timeout` when it does not end. */
export async function stopServer(dir: DataDir, clock: Clock): Promise<ServerState | null> {
  const state = await runningServer(dir);
  if (!state) {
    if (await isClaimed(dir)) {
      throw new RuncodeError("conflict", `a server is just starting or ending in ${dir.root}`, {
        hint: "try again in a moment",
      });
    }
    return null;
  }
  try {
    process.kill(state.pid, "SIGTERM");
  } catch (error) {
    // It ended by itself since we looked.
    if (errno(error) !== "ESRCH") throw error;
  }
  const deadline = clock.now() + WAIT_MS;
  while (await isClaimed(dir)) {
    if (clock.now() > deadline) {
      throw new RuncodeError("timeout", `the server (pid ${state.pid}) has not ended in ${WAIT_MS / 1000} s`, {
        hint: `see ${dir.log}`,
      });
    }
    await clock.sleep(25);
  }
  return state;
}
