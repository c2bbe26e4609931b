// Progress notifications: not more often than is of use, with a number that only ever grows, as the protocol wants it, and one
// now and then although nothing happened, since clients that wait with a time limit start it anew with each.
import { printable } from "../protocol/text.ts";
import type { Report } from "./tool.ts";

const EVERY_MS = 200;
const ALIVE_EVERY_MS = 10_000;
const LONGEST_MESSAGE = 200;

export interface Progress {
  readonly report: Report;
  stop(): void;
}

/** What is sent: `progress` grows, `total` is there where it is known. */
export interface Sent {
  readonly progress: number;
  readonly total?: number;
  readonly message: string;
}

/** Takes what sends a notification, undefined where the client wants none. */
export function progressOf(send: ((sent: Sent) => void) | undefined): Progress {
  if (send === undefined) return { report: () => {}, stop: () => {} };
  let progress = 0;
  let message = "";
  let sentAt = -Infinity;
  let stopped = false;
  const report: Report = (text, done, total) => {
    message = printable(text).slice(0, LONGEST_MESSAGE);
    const now = performance.now();
    // After the call's answer its token means nothing any more.
    if (stopped || now - sentAt < EVERY_MS) return;
    sentAt = now;
    progress = done !== undefined && done > progress ? done : progress + 1;
    send({ progress, message, ...(total === undefined ? {} : { total: Math.max(total, progress) }) });
  };
  const alive = setInterval(() => {
    if (performance.now() - sentAt >= ALIVE_EVERY_MS) report(message || "still at it");
  }, ALIVE_EVERY_MS);
  const stop = (): void => {
    stopped = true;
    clearInterval(alive);
  };
  return { report, stop };
}
