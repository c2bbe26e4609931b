// The gateway's word that something was never begun, as the error for the person.
import { RuncodeError } from "../protocol/errors.ts";
import { readNotRun } from "../protocol/not-run.ts";

/** Takes what did not come to pass, and what the gateway said from its marker on; gives the error. */
export function refusalError(what: string, refusal: string): RuncodeError {
  const { code, reason } = readNotRun(refusal.slice(refusal.indexOf(" ") + 1));
  // One that runs is not started; what to do instead the reason says itself.
  const stopped = code === "conflict" && !/paused|used up/.test(reason);
  return new RuncodeError(code ?? "ssh_failed", `${what}: ${reason || "the gateway gave no reason"}`, {
    phase: "connect",
    hint: stopped ? "run: runcode start <workspace>" : undefined,
  });
}
