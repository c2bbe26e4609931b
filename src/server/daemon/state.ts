// server.json: which process serves from a data directory and at which addresses. It is a hint for people; whether that
// process still serves is told by the lock, which the kernel keeps, and by the process's start time, since a number of
// a process that died is given away again.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import * as v from "valibot";
import { readIfThere, replaceFile, takeLock } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { DataDir } from "./data-dir.ts";

const ServerState = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** When that process began, in whatever way the system tells it. */
  process_start: v.string(),
  since: v.string(),
  version: v.string(),
  api_base: v.string(),
  web_base: v.string(),
  ssh: v.object({ host: v.string(), port: v.number() }),
  data_dir: v.string(),
  drivers: v.array(v.string()),
  /** A server of an earlier version did not say. */
  flavors: v.optional(v.array(v.string()), []),
  runtime_api: v.exactOptional(v.string()),
  /** As `--engine` said it. */
  engine: v.exactOptional(v.nullable(v.string())),
});
export type ServerState = v.InferOutput<typeof ServerState>;

/** Written once both listeners are bound. */
export async function writeState(dir: DataDir, state: Omit<ServerState, "process_start">): Promise<void> {
  await replaceFile(
    dir.state,
    `${JSON.stringify({ ...state, process_start: processStart(state.pid) ?? "" }, null, 2)}\n`,
  );
}

export async function removeState(dir: DataDir): Promise<void> {
  await rm(dir.state, { force: true });
}

/** Gives the state of the server that runs now, or null when none does. Throws RuncodeError `io`. */
export async function runningServer(dir: DataDir): Promise<ServerState | null> {
  const text = await readIfThere(dir.state);
  if (text === null || !(await isClaimed(dir))) return null;
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Not ours, or damaged: the same as not there.
  }
  const parsed = v.safeParse(ServerState, json);
  return parsed.success && processStart(parsed.output.pid) === parsed.output.process_start ? parsed.output : null;
}

/** Whether a living process holds the directory. */
export async function isClaimed(dir: DataDir): Promise<boolean> {
  if (!existsSync(dir.lock)) return false;
  try {
    (await takeLock(dir.lock, 0))();
    return false;
  } catch (error) {
    if (error instanceof RuncodeError && error.code === "timeout") return true;
    throw error;
  }
}

/** Gives when a process began, as text that two processes of one number do not share, or null when there is none. */
function processStart(pid: number): string | null {
  try {
    if (process.platform === "linux") {
      // proc(5): the name in field 2 may hold spaces and parentheses; field 22 is the start in ticks after boot.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
    }
    if (process.platform === "win32") {
      process.kill(pid, 0);
      return "";
    }
    return execFileSync("/bin/ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || null;
  } catch {
    return null;
  }
}
