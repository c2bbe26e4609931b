// Waiting until a workspace runs, by asking less and less often.
import type { Clock } from "../platform/clock.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { ControlPlane, StartChoice } from "./control-plane.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3000;
/** A control plane may still say `stopped` for this long after it accepted a start. */
const SETTLING_MS = 15_000;

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Told of each new state, and of what the control plane says of the way there, such as "pulling python:3.13, 40 %". */
  readonly onState?: (state: string, progress: string | null) => void;
}

/** Gives the workspace once it runs. Throws `start_failed` when it ends up in another state for good, `timeout`, and what the calls throw. */
export async function waitForRunning(api: ControlPlane, id: number, options: WaitOptions): Promise<Workspace> {
  const { clock, signal, timeoutMs } = options;
  const began = clock.now();
  let last: string | null = null;
  let moved = false;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const workspace = await findWorkspace(api, id, signal);
    const { state, title } = workspace;
    const progress = workspace.progress === null ? null : printable(workspace.progress).slice(0, 200);
    const now = `${state}: ${progress}`;
    if (now !== last) options.onState?.(printable(state).slice(0, 60), progress);
    last = now;
    if (state === "running") return workspace;
    moved ||= state === "starting";
    const waited = clock.now() - began;
    const fell = state === "stopped" && (moved || waited > SETTLING_MS);
    if (state === "error" || fell) {
      const why = workspace.problem ? `: ${printable(workspace.problem).slice(0, 500)}` : "";
      throw new RuncodeError("start_failed", `${title} did not start, its state is ${state}${why}`, {
        hint: `runcode open ${title} may tell more`,
      });
    }
    if (waited + pause > timeoutMs)
      throw new RuncodeError(
        "timeout",
        `${title} is not running after ${Math.round(timeoutMs / 1000)} s, its state is ${printable(state).slice(0, 60)}`,
        { hint: "wait longer with --timeout, or look again with: runcode list" },
      );
    await clock.sleep(pause, signal);
  }
}

/** Asks for a start, once a stop that is still going on has ended. Throws `timeout`, `start_failed`, and what the calls throw. */
export async function requestStart(
  api: ControlPlane,
  id: number,
  options: WaitOptions,
  choice: StartChoice = {},
): Promise<void> {
  const { clock, signal, timeoutMs } = options;
  const began = clock.now();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const { state, title } = await findWorkspace(api, id, signal);
    if (state !== "stopping") return api.start(id, signal, choice);
    options.onState?.(state, null);
    if (clock.now() - began + pause > timeoutMs)
      throw new RuncodeError("timeout", `${title} is still stopping after ${Math.round(timeoutMs / 1000)} s`, {
        hint: "look again with: runcode list",
      });
    await clock.sleep(pause, signal);
  }
}

/** One workspace, from the call for one where that is served, else from the list. Throws `not_found`. */
export async function findWorkspace(api: ControlPlane, id: number, signal?: AbortSignal): Promise<Workspace> {
  try {
    return await api.get(id, signal);
  } catch (error) {
    if (!(error instanceof RuncodeError) || !["not_found", "http_error"].includes(error.code)) throw error;
    const found = (await api.list(signal)).find((workspace) => workspace.id === id);
    if (!found) throw new RuncodeError("not_found", `there is no workspace ${id}`, { hint: "runcode list shows them" });
    return found;
  }
}
