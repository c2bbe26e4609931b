import { targetSession, readySession } from "../bundle/target.ts";
import type { Session } from "../bundle/session.ts";
import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { ForwardDocument } from "../protocol/output/port-forward.ts";
import { printable } from "../protocol/text.ts";
import { endText, parseForwards, urlOf, type Forward } from "../ssh/forward-spec.ts";
import { cancelForwards, listForwards, openForwards } from "../ssh/forwards.ts";

export default defineCommand({
  summary: "Reach the workspace's ports on this machine, or this machine's there",
  description:
    "Returns at once: the forward lives on the session's connection, and a new session takes it over. It ends with the session's " +
    "key when nothing renews that; --list says so, and running the command again brings it back. Only this machine's loopback " +
    "is ever listened on. Where a local port is not named and taken, the next free one is used.",
  positionals: {
    ports: { arity: "many", summary: "[LOCAL:]PORT of the workspace; with --unix also socket paths" },
  },
  options: {
    local: { kind: "integer", placeholder: "PORT", min: 1, max: 65535, summary: "the local port, which must be free" },
    to: { kind: "string", placeholder: "HOST:PORT", summary: "a host that the workspace reaches, instead of itself" },
    reverse: { kind: "flag", summary: "the other way: PORT of the workspace leads to LOCAL here" },
    unix: { kind: "flag", summary: "let either end be a Unix socket: [LOCAL:]/path/on/the/workspace" },
    list: { kind: "flag", summary: "show the forwards and whether they are alive" },
    cancel: { kind: "flag", summary: "end the forwards of these ports, or all" },
    foreground: { kind: "flag", summary: "stay, and end the forwards with Ctrl-C" },
    workspace: { kind: "string", short: "w", placeholder: "NAME", summary: "another workspace than the attached one" },
  },
  examples: [
    ["runcode port-forward 5173", "open http://localhost:5173 here"],
    ["runcode port-forward 8080:3000 5432", "two at once, one under another local port"],
    ["runcode port-forward --to db.internal:5432", "a host that only the workspace reaches"],
    ["runcode port-forward --reverse 9000", "port 9000 there leads to port 9000 here"],
    ["runcode port-forward --unix ./docker.sock:/var/run/docker.sock", "a Unix socket"],
    ["runcode port-forward --cancel 5173", "end it"],
  ],
  schema: () => import("../protocol/output/port-forward.ts"),
  jsonLines: "with --foreground: why it ended follows",
  async run(args, context) {
    const { list, cancel, foreground } = args;
    if (Number(list) + Number(cancel) + Number(foreground) > 1)
      throw new RuncodeError("usage", "port-forward: --list, --cancel and --foreground do not go together");
    if (list) return listAll(context, args.workspace);
    if (cancel) return cancelSome(context, args.workspace, args.ports);
    const wanted = parseForwards(args.ports, { ...args, cwd: context.cwd });
    if (context.platform === "win32" && !foreground) {
      throw new RuncodeError("usage", "port-forward: on Windows ssh cannot leave a forward behind", {
        hint: "add --foreground, and leave this window open",
      });
    }
    const session = await targetSession(context, args.workspace);
    if (session.capabilities !== null && !session.capabilities.includes("forward"))
      throw new RuncodeError("forbidden", `sessions of ${session.title} may not forward ports`);
    const show = (forwards: readonly Forward[]) => ({
      json: { forwards: forwards.map((each) => describe(each, session)) },
      text: forwards.map(sentence).join("\n"),
    });
    if (!foreground) {
      const ready = await readySession(await context.sessions(), session, context.signal);
      return show(await openForwards(ready, wanted));
    }
    const ready =
      session.controlPath === null ? session : await readySession(await context.sessions(), session, context.signal);
    const { holdForwards } = await import("../ssh/forward-foreground.ts");
    await holdForwards(ready, wanted, {
      signal: context.signal,
      onReady(forwards) {
        const { json, text } = show(forwards);
        if (context.flags.json) context.out.document(json);
        else context.out.data(`${text}\n`);
        context.out.note("Ctrl-C ends it.");
      },
    });
    throw context.signal.reason;
  },
});

async function known(context: Context, name: string | undefined): Promise<readonly Session[]> {
  const sessions = await context.sessions();
  const all = (await sessions.all()).filter(({ apiBase }) => apiBase === sessions.apiBase);
  if (name === undefined) return all;
  const found = all.filter(
    ({ workspaceId, title }) => String(workspaceId) === name || title.toLowerCase() === name.toLowerCase(),
  );
  if (found.length === 0)
    throw new RuncodeError("not_found", `there is no session of ${name} here`, { hint: "runcode connect" });
  return found;
}

async function listAll(context: Context, name: string | undefined) {
  const found = await Promise.all(
    (await known(context, name)).map(async (session) =>
      (await listForwards(session)).map((forward) => ({ forward, session })),
    ),
  );
  const rows = found.flat();
  const forwards = rows.map(({ forward, session }) => ({
    ...describe(forward, session),
    alive: forward.alive,
    expires_at: new Date(session.expiresAt).toISOString(),
  }));
  const text = rows.map(({ forward, session }) =>
    printable(`${sentence(forward)} (${session.title}${forward.alive ? "" : ", dead: ask for it again"})`),
  );
  return { json: { forwards }, text: text.join("\n") || "There are no forwards." };
}

async function cancelSome(context: Context, name: string | undefined, ports: readonly string[]) {
  const named = name ?? (await (await context.sessions()).attachment())?.workspaceId.toString();
  if (named === undefined)
    throw new RuncodeError("not_attached", "no workspace is attached", { hint: "give --workspace NAME" });
  const cancelled: ForwardDocument[] = [];
  const left: ForwardDocument[] = [];
  const matches = (each: Forward, word: string): boolean => {
    const [local, remote] = [String(endText(each.local)), String(endText(each.remote))];
    const own = each.direction === "local" ? local : remote;
    return word === own || word === `${local}:${remote}` || word === (each.direction === "local" ? remote : local);
  };
  for (const session of await known(context, named)) {
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
    cancelled.push(...gone.map((each) => describe(each, session)));
    left.push(...(await listForwards(session)).map((each) => describe(each, session)));
  }
  const text = cancelled.length === 0 ? "There was nothing to cancel." : `Cancelled ${cancelled.length}.`;
  return { json: { cancelled, forwards: left }, text };
}

function describe(forward: Forward, session: Session): ForwardDocument {
  return {
    local: endText(forward.local),
    remote: endText(forward.remote),
    url: urlOf(forward),
    direction: forward.direction,
    workspace: session.title,
  };
}

function sentence(forward: Forward): string {
  const { direction, local, remote } = forward;
  if (direction === "reverse") return printable(`${endText(remote)} of the workspace -> ${endText(local)} here`);
  return printable(`${urlOf(forward)} -> ${endText(remote)} of the workspace`);
}
