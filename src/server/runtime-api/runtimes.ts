// The rules of the runtime API: which container an id means, and what may be done to one in which state. Nothing is kept
// here but what starts that failed or are not over may have left: what is true of a runtime is asked of the engine each time, so
// that a restarted server knows as much as before.
import { RuncodeError } from "../../protocol/errors.ts";
import { RUNTIME_LABEL, STOP_GRACE_SECONDS } from "../../protocol/runtime-api.ts";
import { checkImage, checkNetwork } from "./checks.ts";
import { EngineRefusal, type ContainerRequest, type EngineContainer, type RuntimeEngine } from "./engine.ts";
import { isImageName } from "../engine/index.ts";
import type { Leftovers } from "./leftovers.ts";
import { createTurns } from "./turns.ts";
import type { Whose } from "./whose.ts";

/** What was asked for cannot be; the message is the whole `detail` of a 400. */
export class RuntimeRefused extends Error {
  override readonly name = "RuntimeRefused";
}

/** Becomes a 404. */
export class NoSuchRuntime extends Error {
  override readonly name = "NoSuchRuntime";
  constructor(ref: string) {
    super(`Runtime '${ref}' not found`);
  }
}

/** Told of what happens to runtimes, before the request that made it happen is answered. None of these may throw. */
export interface RuntimeListener {
  /** Asked what a container of that image, which the engine has, shall carry besides what its caller wishes. */
  prepare(image: string): Promise<Pick<ContainerRequest, "helper" | "labels">>;
  started(container: EngineContainer): Promise<void>;
  /** It is about to be stopped because somebody asked; the result is called when that is over, however it went. */
  stopping(id: string): () => void;
  /** It was stopped, paused or resumed. */
  changed(container: EngineContainer): Promise<void>;
}

/** For whoever wants to be told nothing. */
export const NOBODY: RuntimeListener = {
  prepare: async () => ({ labels: {} }),
  started: async () => {},
  stopping: () => () => {},
  changed: async () => {},
};

/** What became of a runtime; null where it is gone, as one is that removes itself when it ends. */
export interface Outcome {
  readonly container: EngineContainer;
  readonly after: EngineContainer | null;
}

export interface Runtimes {
  /**
   * Makes and starts the container that `describe` gives; leaves none where it throws. An aborted signal, of a caller that hung
   * up, is a reason to throw.
   */
  start(describe: () => Promise<ContainerRequest>, signal: AbortSignal): Promise<EngineContainer>;
  /** Starts one that has ended once more, with the files that it has. It stays as it was where that throws. */
  startAgain(container: EngineContainer): Promise<EngineContainer>;
  /** The grace is in seconds. A second stop need not wait for the first one's grace; all else that is done to one runtime is done in turn. */
  stop(ref: string, graceSeconds?: number): Promise<Outcome>;
  pause(ref: string): Promise<Outcome>;
  resume(ref: string): Promise<Outcome>;
  /** By container id, the beginning of one or name, then by label. Throws NoSuchRuntime. */
  find(ref: string): Promise<EngineContainer>;
  /** Those that this server may touch, newest first; with a label, those that have it with that value. */
  list(label?: string, value?: string): Promise<readonly EngineContainer[]>;
  remove(container: EngineContainer): Promise<void>;
  /** Whether the engine has an image; false for what is no reference to one. */
  hasImage(image: string): Promise<boolean>;
  /** Gives up what is being started, and resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** A container's name, id or the beginning of one. Anything else would be a path of the engine's API. */
const REF = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const LONGEST_GRACE_SECONDS = 24 * 3600;
/** In these a container has processes, or may have some again: one that ends and is started without end is exited between. */
const STOPPABLE = ["running", "paused", "restarting", "exited"];

export function createRuntimes(
  engine: RuntimeEngine,
  listener: RuntimeListener,
  leftovers: Leftovers,
  whose: Whose,
): Runtimes {
  const closing = new AbortController();
  const starting = new Set<Promise<unknown>>();
  const turns = createTurns();
  /** Whoever may stop runtimes may not stop whatever else the engine runs; what a failed start left is on its way out. */
  const isRuntime = (container: EngineContainer): boolean => whose(container.labels) && !leftovers.holds(container);
  const list = async (label: string, value?: string): Promise<readonly EngineContainer[]> =>
    // Podman takes a * in the value for anything.
    (await engine.labelled(label, value)).filter(
      (one) => isRuntime(one) && (value === undefined || one.labels[label] === value),
    );
  const find = async (ref: string): Promise<EngineContainer> => {
    const direct = REF.test(ref) ? await engine.find(ref) : null;
    if (direct && isRuntime(direct)) return direct;
    const [labelled] = await list(RUNTIME_LABEL, ref);
    if (!labelled) throw new NoSuchRuntime(ref);
    return labelled;
  };
  const act = async (
    verb: "stop" | "pause" | "resume",
    ref: string,
    work: (container: EngineContainer) => Promise<void>,
  ): Promise<Outcome> => {
    const found = await find(ref);
    // One that is just being started is not stopped before it is.
    await leftovers.underway(found);
    return await turns[verb === "stop" ? "together" : "alone"](found.id, async () => {
      const over = verb === "stop" ? listener.stopping(found.id) : () => {};
      try {
        // What it was when it was found may be long over.
        const container = await engine.find(found.id);
        if (!container) throw new NoSuchRuntime(ref);
        await refusing(verb, () => work(container));
        const after = await engine.find(found.id);
        if (after) await listener.changed(after);
        return { container, after };
      } finally {
        over();
      }
    });
  };
  const begin = async (describe: () => Promise<ContainerRequest>, signal: AbortSignal): Promise<EngineContainer> => {
    const request = await describe();
    checkImage(request.image);
    await checkNetwork(engine, request.network);
    if (!(await engine.hasImage(request.image))) await engine.pull(request.image, signal);
    signal.throwIfAborted();
    const { helper, labels } = await listener.prepare(request.image);
    // From here on there may be something to take back. Creating is not given up half-way: its answer has the id.
    const start = await leftovers.begin();
    let id: string | null = null;
    try {
      id = await engine.create({
        ...request,
        ...(helper ? { helper } : {}),
        labels: { ...request.labels, ...labels, ...start.label },
      });
      signal.throwIfAborted();
      await engine.start(id);
      signal.throwIfAborted();
      const container = await engine.find(id);
      // One that removes itself and ended at once is gone before it could be asked about.
      if (!container) throw new RuntimeRefused(ENDED_AT_ONCE);
      await listener.started(container);
      signal.throwIfAborted();
      await start.done();
      return container;
    } catch (error) {
      // An engine that refused to make it has made nothing.
      if (id === null && error instanceof EngineRefusal) await start.done().catch(() => {});
      else await start.takeBack(id);
      throw error;
    }
  };

  return {
    find,
    list: (label = RUNTIME_LABEL, value) => list(label, value),
    remove: (container) => turns.alone(container.id, () => engine.remove(container.id)),
    hasImage: async (image) => isImageName(image) && engine.hasImage(image),
    start: (describe, caller) => {
      const work = refusing("start", () => begin(describe, AbortSignal.any([caller, closing.signal])));
      starting.add(work);
      const over = (): void => void starting.delete(work);
      work.then(over, over);
      return work;
    },
    startAgain: ({ id }) =>
      turns.alone(id, async () => {
        await refusing("start", () => engine.start(id));
        const container = await engine.find(id);
        if (!container) throw new RuntimeRefused(ENDED_AT_ONCE);
        await listener.started(container);
        return container;
      }),
    close: async () => {
      closing.abort(new RuncodeError("unavailable", "the server is shutting down"));
      await Promise.allSettled(starting);
    },
    stop: (ref, graceSeconds = STOP_GRACE_SECONDS) =>
      act("stop", ref, async ({ id, status }) => {
        // A frozen process hears no signal. Whoever unpauses it first, it is to stop.
        if (status === "paused") await engine.unpause(id).catch(unlessRefused);
        if (STOPPABLE.includes(status)) await engine.stop(id, Math.min(graceSeconds, LONGEST_GRACE_SECONDS));
      }),
    pause: (ref) =>
      act("pause", ref, async ({ id, status }) => {
        if (status !== "running") throw new EngineRefusal(`it is ${status}, not running`);
        await engine.pause(id);
      }),
    resume: (ref) =>
      act("resume", ref, async ({ id, status }) => {
        if (status !== "paused") throw new EngineRefusal(`it is ${status}, not paused`);
        await engine.unpause(id);
      }),
  };
}

const ENDED_AT_ONCE = "Unable to start runtime: it ended at once and was removed";

function unlessRefused(error: unknown): void {
  if (!(error instanceof EngineRefusal)) throw error;
}

/** What the engine or this server's policy refuses is said with what was wanted before it. */
async function refusing<T>(verb: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const policy = error instanceof RuncodeError && (error.code === "bad_request" || error.code === "forbidden");
    if (policy || error instanceof EngineRefusal) {
      throw new RuntimeRefused(`Unable to ${verb} runtime: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
