// The rules of the runtime API: which container an id means, and what may be done to one in which state. Nothing is kept
// here but what starts that failed or are not over may have left: what is true of a runtime is asked of the engine each time, so
// that a restarted server knows as much as before.
import { RuncodeError } from "../../protocol/errors.ts";
import { RUNTIME_LABEL, STOP_GRACE_SECONDS } from "../../protocol/runtime-api.ts";
import type { RuntimeActionAnswer, RuntimeActionRequest } from "../../protocol/runtime-api.ts";
import { EngineRefusal, type ContainerRequest, type EngineContainer, type RuntimeEngine } from "./engine.ts";
import { isImageName } from "../engine/index.ts";
import type { Leftovers } from "./leftovers.ts";

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

export interface Runtimes {
  /**
   * Makes and starts the container that `describe` gives; leaves none where it throws. An aborted signal, of a caller that hung
   * up, is a reason to throw.
   */
  start(describe: () => Promise<ContainerRequest>, signal: AbortSignal): Promise<EngineContainer>;
  stop(request: RuntimeActionRequest): Promise<RuntimeActionAnswer>;
  pause(request: RuntimeActionRequest): Promise<RuntimeActionAnswer>;
  resume(request: RuntimeActionRequest): Promise<RuntimeActionAnswer>;
  /** By container id, the beginning of one or name, then by label. Throws NoSuchRuntime. */
  find(ref: string): Promise<EngineContainer>;
  list(): Promise<readonly EngineContainer[]>;
  remove(container: EngineContainer): Promise<void>;
  /** Whether the engine has an image; false for what is no reference to one. */
  hasImage(image: string): Promise<boolean>;
  /** Gives up what is being started, and resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** A container's name, id or the beginning of one. Anything else would be a path of the engine's API. */
const REF = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Networks that are no network of the container's own. */
const SHARED_NETWORKS = ["host", "ns", "container"];
const LONGEST_GRACE_SECONDS = 24 * 3600;

export function createRuntimes(engine: RuntimeEngine, listener: RuntimeListener, leftovers: Leftovers): Runtimes {
  const closing = new AbortController();
  const starting = new Set<Promise<unknown>>();
  const find = async (ref: string): Promise<EngineContainer> => {
    const direct = REF.test(ref) ? await engine.find(ref) : null;
    // Whoever may stop runtimes may not stop whatever else the engine runs.
    if (direct && isRuntime(direct)) return direct;
    const [labelled] = await engine.labelled(RUNTIME_LABEL, ref);
    if (!labelled) throw new NoSuchRuntime(ref);
    return labelled;
  };
  const act = async (
    verb: "stop" | "pause" | "resume",
    { runtime_id }: RuntimeActionRequest,
    work: (container: EngineContainer) => Promise<void>,
  ): Promise<RuntimeActionAnswer> => {
    const container = await find(runtime_id);
    const over = verb === "stop" ? listener.stopping(container.id) : () => {};
    let after: EngineContainer | null;
    try {
      await refusing(verb, () => work(container));
      after = await engine.find(container.id);
      if (after) await listener.changed(after);
    } finally {
      over();
    }
    const said = { stop: "stopped", pause: "paused", resume: "resumed" }[verb];
    return {
      runtime_id,
      container_id: container.id,
      // One that is removed by itself is gone by now, or about to be.
      status: after === null || after.status === "removing" ? "exited" : after.status,
      message: `Runtime ${runtime_id} ${said}`,
    };
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
      if (!container) throw new RuntimeRefused("Unable to start runtime: it ended at once and was removed");
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
    list: () => engine.labelled(RUNTIME_LABEL),
    remove: (container) => engine.remove(container.id),
    hasImage: async (image) => isImageName(image) && engine.hasImage(image),
    start: (describe, caller) => {
      const work = refusing("start", () => begin(describe, AbortSignal.any([caller, closing.signal])));
      starting.add(work);
      const over = (): void => void starting.delete(work);
      work.then(over, over);
      return work;
    },
    close: async () => {
      closing.abort(new RuncodeError("unavailable", "the server is shutting down"));
      await Promise.allSettled(starting);
    },
    stop: (request) =>
      act("stop", request, async (container) => {
        const grace = Math.min(request.timeout ?? STOP_GRACE_SECONDS, LONGEST_GRACE_SECONDS);
        // A frozen process hears no signal.
        if (container.status === "paused") await engine.unpause(container.id);
        if (["running", "paused", "restarting"].includes(container.status)) await engine.stop(container.id, grace);
      }),
    pause: (request) =>
      act("pause", request, async ({ id, status }) => {
        if (status !== "running") throw new EngineRefusal(`it is ${status}, not running`);
        await engine.pause(id);
      }),
    resume: (request) =>
      act("resume", request, async ({ id, status }) => {
        if (status !== "paused") throw new EngineRefusal(`it is ${status}, not paused`);
        await engine.unpause(id);
      }),
  };
}

function isRuntime({ labels }: EngineContainer): boolean {
  return Object.hasOwn(labels, RUNTIME_LABEL);
}

function checkImage(image: string): void {
  if (!isImageName(image)) {
    throw new RuncodeError("bad_request", `${JSON.stringify(image.slice(0, 200))} is no image reference`);
  }
}

/** The host's network holds what listens on loopback only, this API among it; another container's holds that container's. */
async function checkNetwork(engine: RuntimeEngine, network: string | undefined): Promise<void> {
  if (network === undefined) return;
  const [kind] = network.split(":") as [string];
  const shared = SHARED_NETWORKS.includes(kind) || !REF.test(network);
  // A network also has an id, by which the host's could be meant.
  if (shared || (await engine.networkDriver(network)) === "host") {
    throw new RuncodeError("forbidden", `network ${JSON.stringify(network)} is not a runtime's own`);
  }
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
