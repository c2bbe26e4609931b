// The forwards of a session as they are told, listed and cancelled: which sessions are meant, and which forward a port names.
import { RuncodeError } from "../protocol/errors.ts";
import type { ForwardDocument } from "../protocol/output/port-forward.ts";
import { printable } from "../protocol/text.ts";
import { endText, urlOf, type Forward } from "../ssh/forward-spec.ts";
import { cancelForwards, listForwards } from "../ssh/forwards.ts";
import type { Session, Sessions } from "./session.ts";
import { attached } from "./target.ts";

/** A forward under the field names of `--json`. */
export function describeForward(forward: Forward, session: Pick<Session, "title">): ForwardDocument {
  return {
    local: endText(forward.local),
    remote: endText(forward.remote),
    url: urlOf(forward),
    direction: forward.direction,
    workspace: session.title,
  };
}

/** Throws `forbidden` where the session's key may not forward ports. */
export function mustMayForward(session: Session): void {
  if (session.capabilities !== null && !session.capabilities.includes("forward"))
    throw new RuncodeError("forbidden", `sessions of ${session.title} may not forward ports`);
}

/** Every forward of this machine, or of the workspace of that name. Throws `not_found`, `io`. */
export async function allForwards(sessions: Sessions, name?: string) {
  const found = await Promise.all(
    (await known(sessions, name)).map(async (session) =>
      (await listForwards(session)).map((forward) => ({ forward, session })),
    ),
  );
  return found.flat().map(({ forward, session }) => ({
    forward,
    session,
    told: {
      ...describeForward(forward, session),
      alive: forward.alive,
      expires_at: new Date(session.expiresAt).toISOString(),
    },
  }));
}

/**
 * Ends the forwards of these ports, or all, of the workspace of that name or of the attached one. Throws `not_attached`,
 * `not_found` for a port that none of its forwards has, `io`.
 */
export async function endForwards(sessions: Sessions, name: string | undefined, ports: readonly string[]) {
  const named = name ?? String((await attached(sessions)).workspaceId);
  const cancelled: ForwardDocument[] = [];
  const left: ForwardDocument[] = [];
  for (const session of await known(sessions, named)) {
    const standing = await listForwards(session);
    for (const word of ports)
      if (!standing.some((each) => matches(each, word)))
        throw new RuncodeError("not_found", `there is no forward of ${printable(word)}`, {
          hint: "runcode port-forward --list",
        });
    const gone = await cancelForwards(
      session,
      (each) => ports.length === 0 || ports.some((word) => matches(each, word)),
    );
    cancelled.push(...gone.map((each) => describeForward(each, session)));
    left.push(...(await listForwards(session)).map((each) => describeForward(each, session)));
  }
  return { cancelled, forwards: left };
}

function matches(each: Forward, word: string): boolean {
  const [local, remote] = [String(endText(each.local)), String(endText(each.remote))];
  const own = each.direction === "local" ? local : remote;
  return word === own || word === `${local}:${remote}` || word === (each.direction === "local" ? remote : local);
}

async function known(sessions: Sessions, name: string | undefined): Promise<readonly Session[]> {
  const all = (await sessions.all()).filter(({ apiBase }) => apiBase === sessions.apiBase);
  if (name === undefined) return all;
  const found = all.filter(
    ({ workspaceId, title }) => String(workspaceId) === name || title.toLowerCase() === name.toLowerCase(),
  );
  if (found.length === 0)
    throw new RuncodeError("not_found", `there is no session of ${name} here`, { hint: "runcode connect" });
  return found;
}
