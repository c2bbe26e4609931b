// The life of one workspace as a loop that brings what is to what is wanted. Start and stop only set the goal, so that
// any number of calls at once are one piece of work, a stop overtakes a start that has not finished, and no two drivers'
// calls for one workspace ever run side by side.
import { RuncodeError } from "../../protocol/errors.ts";
import { oneLine } from "../../protocol/text.ts";
import type { WorkspaceState } from "../../protocol/workspace.ts";
import type { Driver, Sandbox, SandboxSpec } from "../sandboxes/driver.ts";
import { CommandEnded, startWorkspace } from "../sandboxes/workspace.ts";

export interface MachineDeps {
  readonly title: string;
  /** Null when this server has not loaded the workspace's driver. */
  readonly driver: Driver | null;
  readonly missing: string;
  /** Asked at each start, since limits are a setting. */
  readonly spec: () => SandboxSpec;
  /** Makes the goal durable. */
  readonly record: (desired: "running" | "stopped" | "deleted", problem: string | null) => void;
  readonly changed: (state: WorkspaceState, detail: string | null) => void;
  readonly goal: "running" | "stopped";
  readonly problem: string | null;
  /** A new workspace has no former life to clear up after. */
  readonly fresh: boolean;
}

export interface StartChoice {
  /** Leaves out what runs in it from its start, this time. */
  readonly withoutCommand?: boolean;
}

export interface Machine {
  readonly state: WorkspaceState;
  /** In state `error`, why. */
  readonly problem: string | null;
  /** While it starts or stops: what is being done. */
  readonly progress: string | null;
  readonly sandbox: Sandbox | null;
  /** Resolves when it runs; throws `start_failed` with the driver's reason, `conflict` when a stop overtook it. */
  start(options?: StartChoice): Promise<void>;
  /** Resolves when nothing runs; throws `stop_failed`, `conflict` when a start overtook it. */
  stop(): Promise<void>;
  /** Stops it, forgets its files. Throws `delete_failed`; it may then be called again. */
  destroy(): Promise<void>;
  /** After a start of the server: ends what a former life left, and starts it again where that is wanted. Never rejects. */
  recover(): Promise<void>;
  /** Stops it because the server goes, or lets go of it where it outlives the server: what was wanted stays wanted. Never rejects. */
  halt(): Promise<void>;
  /** Takes what became of it without this server's doing: that it runs, or that it ended as somebody wanted. Never rejects. */
  align(running: boolean): Promise<void>;
}

const reasonOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof RuncodeError && error.hint !== undefined ? `${message} (${error.hint})` : message;
};

export function createMachine(deps: MachineDeps): Machine {
  const { driver, title, record, changed } = deps;
  let goal = deps.goal;
  /** Counts how often another goal was wished for, so that each caller knows whether its own wish was overtaken. */
  let wish = 0;
  let withoutCommand = false;
  let problem = deps.problem;
  // One that is to be brought back is on its way from the first moment, even while others have their turn before it.
  let state: WorkspaceState = problem !== null ? "error" : goal === "running" ? "starting" : "stopped";
  let progress: string | null = null;
  let sandbox: Sandbox | null = null;
  let recovered = deps.fresh;
  let halted = false;
  let doomed = false;
  let starting: AbortController | null = null;
  let work: Promise<void> | null = null;
  let destroying: Promise<void> | null = null;

  /** Whatever a driver has to tell comes through here or `fail`, and is one line from then on. */
  const become = (next: WorkspaceState, told: string | null = null): void => {
    const detail = told === null ? null : oneLine(told);
    state = next;
    progress = next === "starting" || next === "stopping" ? detail : null;
    changed(next, detail);
  };
  /** What a workspace's command wrote is part of the problem, which its owner sees, and not of what is logged. */
  const fail = (
    reason: string,
    { keepGoal = false, output }: { keepGoal?: boolean; output?: string | undefined } = {},
  ): void => {
    goal = "stopped";
    problem = oneLine(output === undefined ? reason : `${reason}; it last wrote: ${output}`);
    if (!keepGoal && !halted && !doomed) record("stopped", problem);
    become("error", reason);
  };
  const adopt = (fresh: Sandbox): void => {
    sandbox = fresh;
    problem = null;
    become("running");
    void fresh.ended.then(({ reason, output }) => {
      if (sandbox !== fresh || state === "stopping") return;
      sandbox = null;
      fail(`it ended by itself: ${reason}`, { output });
    });
  };

  const bringUp = async (): Promise<void> => {
    // What a former life wanted, and nobody has wished anything since: it stays wanted, and the next life tries again.
    const keepGoal = wish === 0;
    become("starting");
    starting = new AbortController();
    const { signal } = starting;
    try {
      if (!driver) throw new RuncodeError("unavailable", deps.missing);
      adopt(
        await startWorkspace(driver, deps.spec(), {
          signal,
          withoutCommand,
          progress: (line) => {
            if (state === "starting" && line !== progress) become("starting", line);
          },
        }),
      );
    } catch (error) {
      const output = error instanceof CommandEnded ? error.output : undefined;
      // A start that was called off has not failed, whatever is wanted by now.
      if (goal === "running" && !signal.aborted) fail(reasonOf(error), { keepGoal, output });
      else become("stopped");
    } finally {
      starting = null;
    }
  };

  /** Says whether it worked: one that cannot be stopped keeps its sandbox, so that stopping can be tried again. */
  const bringDown = async (running: Sandbox): Promise<boolean> => {
    become("stopping");
    try {
      await running.stop();
      sandbox = null;
      become("stopped");
      return true;
    } catch (error) {
      fail(`it could not be stopped: ${reasonOf(error)}`);
      return false;
    }
  };

  const clearUp = async (): Promise<boolean> => {
    if (goal === "running") become("starting", "clearing up after the last run");
    try {
      const alive = (await driver?.recover(deps.spec())) ?? null;
      recovered = true;
      if (alive) adopt(alive);
      else if (driver?.outlivesServer && goal === "running") {
        // It ended while nobody looked, which is nobody's wish to have it started again.
        goal = "stopped";
        record("stopped", null);
        become("stopped");
      }
      return true;
    } catch (error) {
      fail(`the last run could not be cleared up: ${reasonOf(error)}`, { keepGoal: true });
      return false;
    }
  };

  const loop = async (): Promise<void> => {
    for (;;) {
      if (!recovered) {
        if (!(await clearUp())) return;
      } else if (sandbox && (goal === "stopped" || state === "error")) {
        if (!(await bringDown(sandbox))) return;
      } else if (goal === "running" && !sandbox && !halted) await bringUp();
      else return;
    }
  };
  const settle = (): Promise<void> => {
    work ??= loop().finally(() => {
      work = null;
    });
    return work;
  };

  const want = (wanted: "running" | "stopped"): void => {
    if (goal !== wanted) wish += 1;
    goal = wanted;
  };
  const refuseIfGoing = (): void => {
    if (doomed) throw new RuncodeError("not_found", `workspace ${title} is being deleted`);
    if (halted) throw new RuncodeError("unavailable", "the server is shutting down");
  };
  const stopSoon = (): Promise<void> => {
    want("stopped");
    starting?.abort(new RuncodeError("interrupted", "stopped while it was starting"));
    return settle();
  };

  return {
    get state() {
      return state;
    },
    get problem() {
      return problem;
    },
    get progress() {
      return progress;
    },
    get sandbox() {
      return state === "running" ? sandbox : null;
    },
    start: async (choice = {}) => {
      refuseIfGoing();
      if (goal !== "running") {
        record("running", null);
        want("running");
        withoutCommand = choice.withoutCommand ?? false;
      }
      const mine = wish;
      await settle();
      if (wish === mine && state === "running") return;
      if (wish === mine && halted) refuseIfGoing();
      if (wish === mine && state === "error") {
        throw new RuncodeError("start_failed", `workspace ${title} did not start: ${problem ?? "unknown reason"}`);
      }
      throw new RuncodeError("conflict", `workspace ${title} was stopped while it was starting`);
    },
    stop: async () => {
      refuseIfGoing();
      // Someone who stops a workspace in error has seen why; it is then simply stopped.
      if (goal !== "stopped" || problem !== null) record("stopped", null);
      const was = problem;
      problem = null;
      if (state === "error" && !sandbox && recovered) become("stopped");
      const settled = stopSoon();
      const mine = wish;
      await settled;
      if (state === "stopped") return;
      if (wish === mine && state === "error")
        throw new RuncodeError("stop_failed", `workspace ${title}: ${problem ?? was ?? "error"}`);
      throw new RuncodeError("conflict", `workspace ${title} was started while it was stopping`);
    },
    destroy: () => {
      doomed = true;
      destroying ??= (async () => {
        record("deleted", null);
        await stopSoon();
        if (sandbox || !recovered) throw new RuncodeError("delete_failed", `workspace ${title}: ${problem}`);
        if (!driver) throw new RuncodeError("delete_failed", `workspace ${title}: ${deps.missing}`);
        become("stopping", "deleting its files");
        try {
          await driver.delete(deps.spec());
        } catch (error) {
          fail(`its files could not be deleted: ${reasonOf(error)}`);
          throw new RuncodeError("delete_failed", `workspace ${title}: ${problem}`, { cause: error });
        }
      })().finally(() => {
        destroying = null;
      });
      return destroying;
    },
    recover: () => settle(),
    halt: async () => {
      halted = true;
      await destroying?.catch(() => {});
      if (!driver?.outlivesServer) return await stopSoon();
      starting?.abort(new RuncodeError("unavailable", "the server is shutting down"));
      await work;
    },
    align: async (running) => {
      // What is being done to it now may be the very reason of what is told.
      await work;
      if (doomed || halted || (running && sandbox)) return;
      if (running) {
        record("running", null);
        goal = "running";
        // Whether it runs is asked of the driver, as after a crash.
        recovered = false;
        await settle();
      } else if (state === "error" || (sandbox && state === "running")) {
        record("stopped", null);
        goal = "stopped";
        problem = null;
        sandbox = null;
        become("stopped");
      }
    },
  };
}
