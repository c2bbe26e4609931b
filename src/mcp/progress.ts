// Progress notifications: not more often than is of use, the last word always said, with a number that only ever grows, as the protocol wants
// it, and one now and then although nothing happened, since clients that wait with a time limit start it anew with each.
import { printable } from "../protocol/text.ts";
import type { Report } from "./tool.ts";

const EVERY_MS = 200;
const ALIVE_EVERY_MS = 10_000;
const LONGEST_MESSAGE = 200;

export interface Progress {
  readonly report: Report;
  /** After the call's answer its token means nothing any more. */
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
  let [message, done, total]: Parameters<Report> = ["still at it"];
  let progress = 0;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sentAt = -Infinity;
  const say = (): void => {
    sentAt = performance.now();
    progress = done !== undefined && done > progress ? done : progress + 1;
    send({
      progress,
      message: printable(message).slice(0, LONGEST_MESSAGE),
      ...(total === undefined ? {} : { total: Math.max(total, progress) }),
    });
    wait(ALIVE_EVERY_MS);
  };
  const wait = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(say, ms);
  };
  wait(ALIVE_EVERY_MS);
  return {
    report(...latest) {
      if (stopped) return;
      [message, done, total] = latest;
      wait(Math.max(0, sentAt + EVERY_MS - performance.now()));
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
