// What starts that failed, and starts of a life of the server that was killed, may have left on the engine. Each start has a
// mark of its own, as a label of its container: a name could be somebody else's, and an id is not known where the engine never
// answered. decisions/062 says what that is for, decisions/069 how it outlives the server.
import { randomBytes } from "node:crypto";
import type { Clock } from "../../platform/clock.ts";
import type { EngineContainer, RuntimeEngine } from "./engine.ts";
import type { Pending } from "./pending.ts";

/** Its value is another one for each start. */
const START_LABEL = "runcode.start";

/** Before an engine is asked again that did not answer, or did not do it. In milliseconds. */
export const AGAIN_MS = [500, 1_000, 2_000, 5_000, 15_000];

export interface Start {
  /** For its container. */
  readonly label: Readonly<Record<string, string>>;
  /** It is over, and whatever was made is somebody's. Throws RuncodeError `io`, and then it is not. */
  done(): Promise<void>;
  /**
   * It failed. Takes the id of its container where the engine gave one; removes what is there of it, and goes on trying where
   * that fails. Does not throw.
   */
  takeBack(id: string | null): Promise<void>;
}

export interface Leftovers {
  /** A start that is about to ask the engine for a container. Throws RuncodeError `io`. */
  begin(): Promise<Start>;
  /** What a container is until its start is over: a promise of that; null for every other one. Never rejects. */
  underway(container: EngineContainer): Promise<void> | null;
  /** Whether the container is what such a start left: it is nobody's, whatever state it is in. */
  holds(container: EngineContainer): boolean;
  /** Stops trying. */
  close(): Promise<void>;
}

/** Takes the engine, what an earlier life has left, and where a line for the operator goes. Throws RuncodeError `io`. */
export async function openLeftovers(
  engine: RuntimeEngine,
  pending: Pending,
  clock: Clock,
  log: (line: string) => void,
): Promise<Leftovers> {
  const closing = new AbortController();
  const underway = new Map<string, PromiseWithResolvers<void>>();
  const former = new Set(await pending.left());
  /** Failed starts → the id, where it is known. One whose making was never answered stays: the engine may yet carry it out. */
  const failed = new Map<string, string | null>([...former].map((start) => [start, null]));
  const due = new Set(former);
  let working: Promise<void> | undefined;

  const attempt = async (start: string): Promise<void> => {
    const id = failed.get(start) ?? null;
    const there = id === null ? (await engine.labelled(START_LABEL, start)).map((container) => container.id) : [id];
    for (const each of there) await engine.remove(each);
    // Of this life's own the next one is told as well, where the engine may yet carry it out; two lives are enough.
    if (id !== null || former.has(start)) await pending.remove(start);
    due.delete(start);
    if (id !== null) failed.delete(start);
  };
  const goOn = async (failures = 0): Promise<void> => {
    for (; due.size > 0 && !closing.signal.aborted; failures++) {
      const pause = failures === 0 ? 0 : AGAIN_MS[Math.min(failures, AGAIN_MS.length) - 1];
      await clock.sleep(pause as number, closing.signal).catch(() => {});
      for (const start of closing.signal.aborted ? [] : due) await attempt(start).catch(() => {});
    }
    working = undefined;
  };
  const over = (start: string): void => {
    underway.get(start)?.resolve();
    underway.delete(start);
  };

  if (due.size > 0) working = goOn();
  return {
    begin: async () => {
      const start = randomBytes(12).toString("hex");
      await pending.add(start);
      underway.set(start, Promise.withResolvers());
      return {
        label: { [START_LABEL]: start },
        done: async () => {
          await pending.remove(start);
          over(start);
        },
        takeBack: async (id) => {
          failed.set(start, id);
          over(start);
          due.add(start);
          await attempt(start).catch((error: unknown) => {
            log(
              `runtimes: what a failed start left stays for now: ${error instanceof Error ? error.message : String(error)}`,
            );
            working ??= goOn(1);
          });
        },
      };
    },
    underway: ({ labels }) => underway.get(labels[START_LABEL] ?? "")?.promise ?? null,
    holds: ({ labels }) => failed.has(labels[START_LABEL] ?? ""),
    close: async () => {
      closing.abort(new Error("closed"));
      await working;
    },
  };
}
