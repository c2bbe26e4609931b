// A job or a held command, once it has ended or the wait is over, whichever comes first.
import { askJobs, waitJob } from "../bundle/jobs.ts";
import type { Session } from "../bundle/session.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { jobStatus, type Job } from "../ssh/jobs/index.ts";
import { jobOf } from "./as-jobs.ts";
import type { Call } from "./tool.ts";

/** Throws as `waitJob`, but no `timeout`. */
export async function waitFor(id: string, session: Session, waitMs: number, call: Call): Promise<Job> {
  const held = call.commands.find(id);
  if (held !== null) {
    await within(held.end, waitMs, call.signal);
    return jobOf(id, held);
  }
  const patience = { forMs: Math.max(10_000, waitMs) };
  return waitJob(call, session, id, { timeoutMs: waitMs, patience }).catch((error: unknown) => {
    if (!(error instanceof RuncodeError) || error.code !== "timeout") throw error;
    return askJobs(call, session, (good) => jobStatus(good, id, call));
  });
}

/** Resolves when the event has come, or after so long. Throws the signal's reason. */
export async function within(event: Promise<unknown>, ms: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  const cancel = (): void => over.resolve();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    if (!signal.aborted) await Promise.race([event, over.promise]);
    signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}
