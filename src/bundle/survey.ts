// What a workspace says of itself, asked over its session in one round trip.
import { RuncodeError } from "../protocol/errors.ts";
import { readSurvey, type Survey } from "../ssh/survey.ts";
import { SURVEY } from "../ssh/survey-script.ts";
import { runScript } from "./script.ts";
import type { Session, Sessions } from "./session.ts";

/** The whole of it; the tools have their own limit inside. In milliseconds. */
const TIMEOUT_MS = 20_000;
const LONGEST_OUTPUT = 128 * 1024;

/** One that was answered: the directory is known at least. */
export type KnownSurvey = Survey & { readonly cwd: string };

/** Gives the survey, which is the workspace's own claim. Throws `ssh_failed` where it cannot be read, and what `runOn` throws. */
export async function surveyOf(sessions: Sessions, session: Session, signal: AbortSignal): Promise<KnownSurvey> {
  const { stdout } = await runScript(sessions, session, {
    script: SURVEY,
    most: LONGEST_OUTPUT,
    timeoutMs: TIMEOUT_MS,
    stop: { signal },
  });
  const survey = readSurvey(stdout.toString("utf8"));
  const { cwd } = survey;
  if (cwd !== null) return { ...survey, cwd };
  throw new RuncodeError("ssh_failed", "the workspace gave no answer that can be read", { phase: "remote" });
}
