// Slows down whoever guesses. Only failures are counted and only failures are refused: a right token is let in even from
// an address that is over its limit, since on one machine everybody has the address 127.0.0.1 and any process could
// otherwise lock the owner out. With 256-bit secrets there is nothing to guess; this keeps the noise down.
import { RuncodeError } from "../../protocol/errors.ts";
import type { Clock } from "../../platform/clock.ts";

const WINDOW_MS = 60_000;
export const FAILURES_PER_WINDOW = 60;
/** More addresses than this in one minute and the oldest is forgotten: memory is bounded before fairness. */
const ADDRESSES = 10_000;

export class RateLimited extends RuncodeError {
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super("rate_limited", `too many failed attempts; try again in ${retryAfterSeconds} s`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface Throttle {
  /** Counts a failure; throws RateLimited when the address has had its share of this minute. */
  failed(address: string): void;
}

export function createThrottle(clock: Clock): Throttle {
  const windows = new Map<string, { since: number; failures: number }>();
  return {
    failed: (address) => {
      const now = clock.now();
      const known = windows.get(address);
      const window = known && now - known.since < WINDOW_MS ? known : { since: now, failures: 0 };
      window.failures += 1;
      if (window !== known) {
        windows.delete(address);
        const oldest = windows.size >= ADDRESSES ? windows.keys().next().value : undefined;
        if (oldest !== undefined) windows.delete(oldest);
        windows.set(address, window);
      }
      if (window.failures > FAILURES_PER_WINDOW) {
        throw new RateLimited(Math.max(1, Math.ceil((window.since + WINDOW_MS - now) / 1000)));
      }
    },
  };
}
