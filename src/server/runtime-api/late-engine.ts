// An engine that may not be there yet. The API answers all the same, with 503, and goes on by itself once one is found.
import { RuncodeError } from "../../protocol/errors.ts";
import type { Engine } from "../engine/index.ts";
import { dockerEngine } from "./docker-engine.ts";
import type { RuntimeEngine } from "./engine.ts";

export interface LateEngine extends RuntimeEngine {
  /** The engine itself, looked for where it is not known yet. Throws RuncodeError `unavailable`. */
  reach(): Promise<Engine>;
  close(): Promise<void>;
}

/** Takes how to find an engine, which is asked again as long as it finds none. */
export function lateEngine(find: () => Promise<Engine>): LateEngine {
  let engine: Promise<Engine> | undefined;
  const reach = (): Promise<Engine> => {
    engine ??= find().catch((error: unknown) => {
      engine = undefined;
      throw error;
    });
    return engine;
  };
  const asked = async (): Promise<RuntimeEngine> => {
    try {
      return dockerEngine(await reach());
    } catch (error) {
      // Whatever keeps us from it is the operator's, and in his log; a caller can only come back later.
      throw new RuncodeError("unavailable", "there is no container engine", { cause: error });
    }
  };
  return {
    reach,
    close: async () => (await engine?.catch(() => null))?.close(),
    hasImage: async (image) => (await asked()).hasImage(image),
    pull: async (image, signal) => (await asked()).pull(image, signal),
    create: async (request) => (await asked()).create(request),
    start: async (id) => (await asked()).start(id),
    stop: async (id, graceSeconds) => (await asked()).stop(id, graceSeconds),
    pause: async (id) => (await asked()).pause(id),
    unpause: async (id) => (await asked()).unpause(id),
    remove: async (id) => (await asked()).remove(id),
    find: async (ref) => (await asked()).find(ref),
    labelled: async (label, value) => (await asked()).labelled(label, value),
    events: async (label, value, signal) => (await asked()).events(label, value, signal),
    network: async (name) => (await asked()).network(name),
  };
}
