import { allForwards, describeForward, endForwards, mustMayForward } from "../bundle/forwards.ts";
import { targetSession, readySession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import { endText, parseForwards, urlOf, type Forward } from "../ssh/forward-spec.ts";
import { openForwards } from "../ssh/forwards.ts";
import { mustRun } from "../ssh/remote-process.ts";

/** A port here that leads to a workspace which does not run would be taken for a service that is down. */
const NOTHING = "nothing was forwarded";

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
    workspace: ANOTHER_WORKSPACE,
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
    if (cancel) {
      const ended = await endForwards(await context.sessions(), args.workspace, args.ports);
      const { length } = ended.cancelled;
      return { json: ended, text: length === 0 ? "There was nothing to cancel." : `Cancelled ${length}.` };
    }
    const wanted = parseForwards(args.ports, { ...args, cwd: context.cwd });
    if (context.platform === "win32" && !foreground) {
      throw new RuncodeError("usage", "port-forward: on Windows ssh cannot leave a forward behind", {
        hint: "add --foreground, and leave this window open",
      });
    }
    const session = await targetSession(context, args.workspace);
    mustMayForward(session);
    const show = (forwards: readonly Forward[]) => ({
      json: { forwards: forwards.map((each) => describeForward(each, session)) },
      text: forwards.map(sentence).join("\n"),
    });
    if (!foreground) {
      const ready = await readySession(await context.sessions(), session, context.signal);
      await mustRun(ready, NOTHING, context.signal);
      return show(await openForwards(ready, wanted));
    }
    const ready =
      session.controlPath === null ? session : await readySession(await context.sessions(), session, context.signal);
    if (ready.controlPath !== null) await mustRun(ready, NOTHING, context.signal);
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

async function listAll(context: Context, name: string | undefined) {
  const rows = await allForwards(await context.sessions(), name);
  const text = rows.map(({ forward, session }) =>
    printable(`${sentence(forward)} (${session.title}${forward.alive ? "" : ", dead: ask for it again"})`),
  );
  return { json: { forwards: rows.map(({ told }) => told) }, text: text.join("\n") || "There are no forwards." };
}

function sentence(forward: Forward): string {
  const { direction, local, remote } = forward;
  if (direction === "reverse") return printable(`${endText(remote)} of the workspace -> ${endText(local)} here`);
  return printable(`${urlOf(forward)} -> ${endText(remote)} of the workspace`);
}
