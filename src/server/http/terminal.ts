// The way to a terminal: who may open one, from where, and how many at once.
import { Hono } from "hono";
import { RuncodeError } from "../../protocol/errors.ts";
import { browserOf } from "./browser.ts";
import type { App, AppEnv, RouteDeps } from "./deps.ts";
import { CLOSE, terminalEvents } from "./terminal-stream.ts";
import type { SocketEvents } from "./websocket.ts";

/** Each is a shell and a few buffers; a page in a loop must not fill the machine with them. */
const TERMINALS_PER_ACCOUNT = 32;
const RECHECK_MS = 5_000;

export interface Terminals {
  readonly routes: App;
  /** How many are open in a workspace. */
  count(workspaceId: number): number;
}

/** Takes the state of things; gives `GET /w/<title>/terminal`, which answers upgrades only. */
export function createTerminals(deps: RouteDeps): Terminals {
  const { plane, sockets, log } = deps;
  const open = new Set<{ readonly accountId: number; readonly workspaceId: number }>();
  const routes: App = new Hono<AppEnv>();

  routes.get("/w/:title/terminal", (c) => {
    const browser = browserOf(c, deps);
    if (!browser) throw new RuncodeError("unauthorized", "log in first");
    const { account } = browser;
    const workspace = plane.workspaces.byTitle(account, c.req.param("title"));
    if (!workspace) throw new RuncodeError("not_found", "there is no such workspace");
    checkSocketOrigin(c.req.header("origin"), [
      `${deps.secure ? "https" : "http"}://${c.req.header("host") ?? ""}`,
      new URL(workspace.webUrl).origin,
    ]);

    const { server } = c.env as Partial<AppEnv["Bindings"]>;
    const events = (): SocketEvents => {
      if (workspace.state !== "running") return refused(CLOSE.notRunning, "the workspace is not running");
      if ([...open].filter((one) => one.accountId === account.id).length >= TERMINALS_PER_ACCOUNT) {
        return refused(CLOSE.full, `${TERMINALS_PER_ACCOUNT} terminals are open; close one first`);
      }
      const mine = { accountId: account.id, workspaceId: workspace.id };
      return terminalEvents({
        sandbox: () => {
          open.add(mine);
          return plane.access.sandbox(workspace.id);
        },
        columns: sizeOf(c.req.query("columns"), 80),
        rows: sizeOf(c.req.query("rows"), 24),
        allowed: () => browserOf(c, deps)?.account.id === account.id,
        recheckMs: RECHECK_MS,
        closed: () => void open.delete(mine),
        log,
      });
    };
    if (!server || !sockets.upgrade(server, c.req.raw, events())) {
      throw new RuncodeError("bad_request", "a WebSocket is opened at this address");
    }
    return new Response(null);
  });

  return { routes, count: (id) => [...open].filter((one) => one.workspaceId === id).length };
}

/**
 * A page of any site may open a WebSocket here, and the browser then adds our cookie where SameSite allows it: every
 * port of 127.0.0.1 is one site. Only `Origin` tells, which every browser sends with a WebSocket; so one without it is
 * refused as well.
 */
function checkSocketOrigin(origin: string | undefined, ours: readonly string[]): void {
  if (origin === undefined || !ours.includes(origin)) {
    throw new RuncodeError("forbidden", "a terminal is opened by this server's own pages");
  }
}

function sizeOf(text: string | undefined, otherwise: number): number {
  const size = /^[0-9]{1,4}$/.test(text ?? "") ? Number(text) : otherwise;
  return Math.min(Math.max(size, 1), 1000);
}

/** Says why, in a way that the page can show: a browser tells a script nothing of an upgrade that was turned down. */
function refused(code: number, reason: string): SocketEvents {
  return { open: (socket) => socket.close(code, reason), message: () => {}, drain: () => {}, close: () => {} };
}
