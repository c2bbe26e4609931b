// The limit on the processes of this sandbox, as its own control group tells it.
import { readFileSync } from "node:fs";
import { errno } from "../../../platform/files.ts";
import { RuncodeError } from "../../../protocol/errors.ts";

/** cgroups v2, then v1. */
const LIMITS = ["/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"];

/** Takes why a process could not be started; gives it in words for the person where it was one too many. */
export function usedUp(error: unknown): unknown {
  if (errno(error instanceof RuncodeError ? error.cause : error) !== "EAGAIN") return error;
  const limit = processLimit();
  const which = limit === null ? "its processes" : `its ${limit} processes`;
  return new RuncodeError("conflict", `the workspace has used up ${which}, threads included`, {
    hint: "end some, e.g. with ^C where they were started, or stop and start the workspace; a larger flavor has room for more",
    cause: error,
  });
}

function processLimit(): number | null {
  for (const file of LIMITS) {
    try {
      const limit = Number(readFileSync(file, "utf8"));
      return Number.isInteger(limit) ? limit : null;
    } catch {
      continue;
    }
  }
  return null;
}
