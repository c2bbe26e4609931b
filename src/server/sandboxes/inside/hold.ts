// `sandbox-hold`, the first process of a container: waits, and ends everything politely when it is told to end. It stands for
// an image's own command, which may end at once or not be there.
import { systemClock } from "../../../platform/clock.ts";
import { ignoreChildren } from "../libc.ts";
import { askToEnd, processes } from "../tree.ts";
import { isAgent } from "./elders.ts";

const POLL_MS = 20;

/** Takes no arguments; gives 0 once it was told to end and nothing else runs any more. The engine ends it if that takes too long. */
export async function main(): Promise<number> {
  // The first process inherits every orphan; what nobody waits for would stay as a zombie and count against the limit.
  ignoreChildren();
  const told = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => told.resolve());
  const idle = setInterval(() => {}, 2 ** 30);
  await told.promise;
  askToEnd(others());
  while (others().length > 0) await systemClock.sleep(POLL_MS);
  // What the last of them wrote is with the agents; they have nothing more to wait for once it has left.
  await systemClock.sleep(POLL_MS);
  clearInterval(idle);
  return 0;
}

/** All but this one and the agents, which still have to tell the server how the others ended. */
function others(): number[] {
  return processes().flatMap(({ pid }) => (pid === process.pid || isAgent(pid) ? [] : [pid]));
}
