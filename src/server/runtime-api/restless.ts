// Containers that end and are started again without end tell of it several times a second. They are looked at once in a while.
import type { Clock } from "../../platform/clock.ts";

/** As many events within a window are looked into as they come. In milliseconds. */
const OFTEN = 40;
const WINDOW_MS = 60_000;
/** How long what comes after them waits to be looked into, all at once. */
export const WHILE_MS = 30_000;

export interface Restless {
  /** Takes whose event it is; says whether to look now, after WHILE_MS, or not for this one: a look is due already. */
  hear(id: string): "now" | "later" | "never";
  /** The look that was to come later is there. */
  due(id: string): void;
  /** It is gone. */
  forget(id: string): void;
}

export function createRestless(clock: Clock): Restless {
  const heard = new Map<string, { since: number; times: number; waits: boolean }>();
  return {
    hear: (id) => {
      const known = heard.get(id);
      if (known?.waits) return "never";
      const fresh = !known || clock.now() - known.since > WINDOW_MS;
      const one = fresh ? { since: clock.now(), times: 0, waits: false } : known;
      heard.set(id, one);
      one.waits = ++one.times > OFTEN;
      return one.waits ? "later" : "now";
    },
    // What goes on after that is not looked into as it comes; what is quiet for a window is.
    due: (id) => void heard.set(id, { since: clock.now(), times: OFTEN, waits: false }),
    forget: (id) => void heard.delete(id),
  };
}
