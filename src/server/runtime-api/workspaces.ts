// Runtimes as workspaces: what the runtime API starts, `runcode connect` and plain ssh reach. The engine's word is what
// counts; it is told of each request's outcome at once, and listens to the engine's events for what others do.
import type { Clock } from "../../platform/clock.ts";
import type { RuntimeDriver } from "../sandboxes/docker/runtime.ts";
import { HELPER_DIR } from "../sandboxes/inside/helper.ts";
import type { ControlPlane } from "../workspaces/index.ts";
import type { EngineContainer, RuntimeEngine } from "./engine.ts";
import { AGAIN_MS, type Leftovers } from "./leftovers.ts";
import { createRestless, WHILE_MS } from "./restless.ts";
import type { RuntimeListener } from "./runtimes.ts";

export interface RuntimeWorkspacesDeps {
  readonly engine: RuntimeEngine;
  readonly leftovers: Leftovers;
  readonly driver: RuntimeDriver;
  readonly plane: ControlPlane;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export interface RuntimeWorkspaces extends RuntimeListener {
  /** Brings workspaces and containers together, and goes on doing so until it is closed. */
  watch(): void;
  close(): Promise<void>;
}

/** On containers that have the helper's volume, and so can be connected to. */
const HELPER_LABEL = "runcode.helper";

export function createRuntimeWorkspaces(deps: RuntimeWorkspacesDeps): RuntimeWorkspaces {
  const { engine, leftovers, driver, plane, clock, log } = deps;
  const closing = new AbortController();
  const restless = createRestless(clock);
  /** Containers that end because somebody asked: no failure of theirs. */
  const asked = new Set<string>();
  let watching: Promise<void> | undefined;
  const waiting = new Set<Promise<void>>();

  const note = async (container: EngineContainer): Promise<void> => {
    const { id, name, image, status, labels } = container;
    if (!Object.hasOwn(labels, HELPER_LABEL)) return;
    const running = status === "running" || status === "paused";
    if (running) driver.note(id, { paused: status === "paused" });
    else if (!asked.has(id)) driver.note(id, { ended: `its first process ended with exit code ${container.exitCode}` });
    const known = plane.workspaces.adopted().includes(id);
    if (running || asked.has(id) || !known) {
      await plane.workspaces.adopt(plane.accounts.owner(), { name, image, container: id, running });
    }
  };
  const gone = async (id: string): Promise<void> => {
    restless.forget(id);
    driver.note(id, { ended: "its container was removed" });
    await plane.workspaces.release(id);
  };
  /** An engine that does not answer now is looked at anew when it does. */
  const later = (work: Promise<void>): void => {
    const settled = work.catch(() => {});
    waiting.add(settled);
    void settled.then(() => waiting.delete(settled));
  };
  const meet = async (container: EngineContainer): Promise<void> => {
    // It may fail yet; until then it is nobody's.
    const over = leftovers.underway(container);
    if (over) return later(over.then(() => look(container.id)));
    await (leftovers.holds(container) ? engine.remove(container.id) : note(container));
  };
  const look = async (id: string): Promise<void> => {
    const container = await engine.find(id);
    await (container ? meet(container) : gone(id));
  };

  const sync = async (): Promise<void> => {
    const [[label, server]] = Object.entries(await driver.labels()) as [[string, string]];
    const there = await engine.labelled(label, server);
    const ids = new Set(there.map(({ id }) => id));
    for (const container of plane.workspaces.adopted()) if (!ids.has(container)) await gone(container);
    for (const container of there) await meet(container);
  };

  const loop = async (): Promise<void> => {
    const [[label, server]] = Object.entries(await driver.labels()) as [[string, string]];
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        const events = await engine.events(label, server, closing.signal);
        // What happens while we look is told in the events.
        await sync();
        failures = 0;
        for await (const id of events) {
          const when = restless.hear(id);
          if (when === "now") await look(id);
          if (when === "later")
            later(
              clock.sleep(WHILE_MS, closing.signal).then(() => {
                restless.due(id);
                return look(id);
              }),
            );
        }
      } catch (error) {
        // Said once for each time that it goes away.
        if (failures === 0 && !closing.signal.aborted)
          log(`runtimes: ${error instanceof Error ? error.message : String(error)}`);
      }
      await clock.sleep(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)] as number, closing.signal).catch(() => {});
    }
  };

  return {
    prepare: async (image) => {
      const own = await driver.labels();
      try {
        const volume = await driver.helperVolume(image);
        return { helper: { volume, target: HELPER_DIR }, labels: { ...own, [HELPER_LABEL]: volume } };
      } catch (error) {
        // It runs all the same; it is no workspace.
        log(`runtimes of ${image} are no workspaces: ${error instanceof Error ? error.message : String(error)}`);
        return { labels: own };
      }
    },
    started: note,
    stopping: (id) => {
      asked.add(id);
      return () => void asked.delete(id);
    },
    changed: note,
    watch: () => void (watching ??= loop()),
    close: async () => {
      closing.abort(new Error("closed"));
      await watching;
      await Promise.all(waiting);
    },
  };
}
