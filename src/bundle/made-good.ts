// A session is made good before a command is sent: the key still valid, the master alive. What stands here decides what may be
// tried again, and that is only what provably was not sent.
import { RuncodeError } from "../protocol/errors.ts";
import { NotStarted } from "../ssh/channel.ts";
import { masterAlive, retireMaster } from "../ssh/master.ts";
import type { Session, Sessions } from "./session.ts";
import { readySession, successor } from "./target.ts";

/** Once more than the first: what is broken is mended in between, and beyond that it is not bad luck. */
const ATTEMPTS = 2;

/**
 * Calls `work` with a session, and again after mending what was broken only when it threw NotStarted: its command was not
 * sent then. The first call takes the master for alive, since finding that it is not costs nothing. Throws what `work`, minting and
 * the opening of a master throw, else `ssh_failed` with phase `connect`.
 */
export async function onGoodSession<T>(
  sessions: Sessions,
  session: Session,
  work: (session: Session) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  // Where there is no master to ride, the connection that proves the key is made beforehand.
  let current = session.controlPath === null ? await readySession(sessions, session, signal) : session;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(current);
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      if (attempt === ATTEMPTS) {
        throw new RuncodeError("ssh_failed", `the workspace takes no command: ${error.message}`, {
          phase: "connect",
          hint: "it was not run; runcode doctor tells what is in the way",
          cause: error,
        });
      }
      current = await mended(sessions, current, error.why, signal);
    }
  }
}

/** Gives the session, or its successor, with its master alive. Throws what `openMaster` and minting throw. */
export async function goodSession(sessions: Sessions, session: Session, signal?: AbortSignal): Promise<Session> {
  return (await masterAlive(session)) ? session : readySession(sessions, session, signal);
}

async function mended(
  sessions: Sessions,
  session: Session,
  why: NotStarted["why"],
  signal: AbortSignal | undefined,
): Promise<Session> {
  // A master whose connection is dead still says that it lives, and one that may open no more channels (an expired key,
  // sshd's MaxSessions) goes on serving those that it has.
  if (why !== "no-master") await retireMaster(session);
  const next = why === "refused" ? await successor(sessions, session, signal ? { signal } : {}) : session;
  return readySession(sessions, next, signal);
}
