// From a name to a session that works: the workspace found, started where that was asked for, its key minted, its SSH answering.
import { requestStart, waitForRunning, type WaitOptions } from "../api/wait.ts";
import type { ControlPlane } from "../api/control-plane.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { Session } from "./session.ts";
import { mustBeConnectable, readySession, targetWorkspace, type TargetDeps } from "./target.ts";

export interface ConnectOptions {
  /** Start a stopped workspace. */
  readonly start: boolean;
  /** Wait until it runs and SSH answers. */
  readonly wait: boolean;
  readonly force: boolean;
  readonly timeoutMs: number;
  /** Seconds to ask for. */
  readonly ttl?: number;
  readonly onPhase?: (text: string) => void;
}

export interface Connected {
  readonly session: Session;
  /** Whether it was started by this call. */
  readonly started: boolean;
  readonly reused: boolean;
}

/** What may pass while a workspace comes up: its gateway is not there yet, or does not know of it yet. */
const MAY_PASS = new Set(["network", "unavailable", "ssh_failed", "conflict", "rate_limited"]);
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3000;

/**
 * Throws `not_found`, `ambiguous`, `conflict` (not running and not asked to start), `not_ready` (still starting, or SSH did not
 * answer in time), `start_failed`, `timeout`, and what minting and `openMaster` throw.
 */
export async function connectWorkspace(deps: TargetDeps, name: string, options: ConnectOptions): Promise<Connected> {
  const { clock, signal } = deps;
  const deadline = clock.now() + options.timeoutMs;
  // What minting takes is loaded while the control plane thinks.
  void Promise.allSettled([import("./mint.ts"), import("bun:sqlite")]);
  const [api, sessions] = await Promise.all([deps.api(), deps.sessions()]);
  const workspace = mustBeConnectable(await targetWorkspace(deps, name));
  const started = await makeRunning(api, workspace, deps, options);
  options.onPhase?.(`Preparing a session for ${workspace.title}`);
  let force = options.force;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    try {
      const { session, reused } = await sessions.ensure(workspace.id, {
        force,
        signal,
        ...(options.ttl === undefined ? {} : { ttl: options.ttl }),
      });
      force = false;
      if (!options.wait) return { session, started, reused };
      options.onPhase?.(`Waiting for SSH on ${workspace.title}`);
      const ready = await readySession(sessions, session, signal);
      return { session: ready, started, reused: reused && ready === session };
    } catch (error) {
      if (!options.wait || !(error instanceof RuncodeError) || !MAY_PASS.has(error.code)) throw error;
      if (clock.now() + pause > deadline)
        throw new RuncodeError("not_ready", `SSH on ${workspace.title} did not answer in time: ${error.message}`, {
          hint: "wait longer with --timeout; runcode doctor tells what is in the way",
          cause: error,
        });
    }
    await clock.sleep(pause, signal);
  }
}

/** Gives whether the workspace was started here. */
async function makeRunning(
  api: ControlPlane,
  { id, title, state }: Workspace,
  { clock, signal }: TargetDeps,
  options: ConnectOptions,
): Promise<boolean> {
  if (state === "running") return false;
  const waiting = options.start || (options.wait && state === "starting");
  if (!waiting && state === "starting")
    throw new RuncodeError("not_ready", `${title} is still starting`, { hint: `runcode connect ${title} --wait` });
  if (!waiting)
    throw new RuncodeError("conflict", `${title} is not running, its state is ${printable(state).slice(0, 60)}`, {
      hint: `runcode connect ${title} --start`,
    });
  options.onPhase?.(`Starting ${title}`);
  const waitOptions: WaitOptions = {
    timeoutMs: options.timeoutMs,
    clock,
    signal,
    onState: (now, how) => options.onPhase?.(`${title} is ${now}${how === null ? "" : `: ${how}`}`),
  };
  if (options.start) await requestStart(api, id, waitOptions);
  await waitForRunning(api, id, waitOptions);
  return options.start;
}
