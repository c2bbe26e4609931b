// The pages of workspaces. Everything that changes something is a form sent by POST with the browser's CSRF token; the
// script on the pages sends the same forms.
import { createHash } from "node:crypto";
import { Hono, type Context } from "hono";
import * as v from "valibot";
import { CreateWorkspaceRequest } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Account } from "../workspaces/accounts.ts";
import type { WorkspaceView } from "../workspaces/lifecycle.ts";
import { homePage, workspaceList, type Attempt } from "../web/home.ts";
import type { Html, Viewer } from "../web/layout.ts";
import { workspacePage, workspaceStatus, type WorkspaceStatus } from "../web/workspace.ts";
import { browserOf, checkCsrf, checkOrigin, formOf, sendPage, sendProblem, type Browser } from "./browser.ts";
import type { App, AppEnv, RouteDeps } from "./deps.ts";
import { statusOf } from "./errors.ts";
import type { Terminals } from "./terminal.ts";

type Ctx = Context<AppEnv>;

/** A form's answer waits this long for the outcome, so that the page it leads to shows it where it comes soon. */
const OUTCOME_MS = 800;
const SCRIPTED = "script-src 'self'; connect-src 'self'";

/** Takes the state of things; gives the application for `/`, `/workspaces` and `/w/<title>`. */
export function pageRoutes(deps: RouteDeps, terminals: Terminals): App {
  const { plane, clock } = deps;
  const app: App = new Hono<AppEnv>();

  /** Who it is, or the way to the login page and back. */
  const known = (c: Ctx, use: (browser: Browser) => Response | Promise<Response>): Response | Promise<Response> => {
    const browser = browserOf(c, deps);
    if (browser) return use(browser);
    return c.redirect(`/auth/login?next=${encodeURIComponent(new URL(c.req.url).pathname)}`, 303);
  };
  /** Of a form: who it is, sure that it was meant. */
  const meant = async (c: Ctx): Promise<{ account: Account; form: Record<string, string | undefined> }> => {
    checkOrigin(c);
    const browser = browserOf(c, deps);
    if (!browser) throw new RuncodeError("unauthorized", "you are logged out; load the page again");
    const form = await formOf(c);
    checkCsrf(browser, form["csrf"]);
    return { account: browser.account, form };
  };
  const workspaceOf = (account: Account, c: Ctx): WorkspaceView => {
    const title = c.req.param("title") ?? "";
    const found = plane.workspaces.byTitle(account, title);
    if (!found) throw new RuncodeError("not_found", `there is no workspace ${title}`);
    return found;
  };
  const statusFor = ({ account, csrf }: Browser, workspace: WorkspaceView): WorkspaceStatus => ({
    viewer: { email: account.email, csrf },
    workspace,
    sessions: plane.sessions.list(account, workspace.id),
    terminals: terminals.count(workspace.id),
    now: clock.now(),
  });

  const home = (c: Ctx, { account, csrf }: Browser, attempt?: Attempt, status: 200 | 400 | 409 = 200) =>
    sendPage(
      c,
      (frame) =>
        homePage(frame, {
          viewer: { email: account.email, csrf },
          workspaces: plane.workspaces.list(account),
          ...(attempt === undefined ? {} : { attempt }),
        }),
      status,
      { more: SCRIPTED },
    );

  app.get("/", (c) => known(c, (browser) => home(c, browser)));

  app.get("/workspaces", async (c) => {
    const viewer = viewerOf(browserOf(c, deps));
    if (!viewer) return c.text("log in first", 401);
    return await sendPart(c, workspaceList(plane.workspaces.list(viewer.account), viewer));
  });

  app.post("/workspaces", async (c) => {
    const { account, form } = await meant(c);
    const browser = browserOf(c, deps) as Browser;
    const { title = "", custom_title: customTitle = "" } = form;
    const refuse = (problem: string, status: 400 | 409) => home(c, browser, { title, customTitle, problem }, status);
    const request = v.safeParse(CreateWorkspaceRequest, {
      ...(title.trim() === "" ? {} : { title: title.trim() }),
      ...(customTitle.trim() === "" ? {} : { custom_title: customTitle.trim() }),
    });
    if (!request.success) return refuse(`Not created: ${request.issues[0].message}.`, 400);
    try {
      const made = await plane.workspaces.create(account, request.output);
      if (form["start"] === "yes") await settled(plane.workspaces.start(account, made.id));
      return c.redirect(`/w/${made.title}`, 303);
    } catch (error) {
      if (error instanceof RuncodeError && (error.code === "conflict" || error.code === "bad_request")) {
        return refuse(`Not created: ${error.message}.`, error.code === "conflict" ? 409 : 400);
      }
      throw error;
    }
  });

  app.get("/w/:title", (c) =>
    known(c, (browser) => {
      const workspace = workspaceOf(browser.account, c);
      return sendPage(c, (frame) => workspacePage(frame, statusFor(browser, workspace)), 200, { more: SCRIPTED });
    }),
  );

  app.get("/w/:title/status", async (c) => {
    const browser = browserOf(c, deps);
    if (!browser) return c.text("log in first", 401);
    return await sendPart(c, workspaceStatus(statusFor(browser, workspaceOf(browser.account, c))));
  });

  for (const verb of ["start", "stop"] as const) {
    app.post(`/w/:title/${verb}`, async (c) => {
      const { account, form } = await meant(c);
      const workspace = workspaceOf(account, c);
      await settled(plane.workspaces[verb](account, workspace.id));
      return done(c, form["back"] === "home" ? "/" : `/w/${workspace.title}`);
    });
  }

  app.post("/w/:title/sessions/:id{[0-9]{1,15}}/revoke", async (c) => {
    const { account } = await meant(c);
    const workspace = workspaceOf(account, c);
    plane.sessions.revoke(account, workspace.id, Number(c.req.param("id")));
    return done(c, `/w/${workspace.title}`);
  });

  /** Waits a moment. What went wrong is in the workspace's state, where the page shows it. */
  const settled = async (work: Promise<void>): Promise<void> => {
    const enough = new AbortController();
    const outcome = work.catch((error: unknown) => {
      if (!(error instanceof RuncodeError)) throw error;
      if (error.code === "unavailable" || error.code === "not_found") throw error;
    });
    outcome.catch(() => {});
    await Promise.race([outcome, clock.sleep(OUTCOME_MS, enough.signal).catch(() => {})]).finally(() =>
      enough.abort(new Error("settled")),
    );
  };

  app.onError((error, c) => {
    if (!(error instanceof RuncodeError)) throw error;
    if (c.req.header("x-live")) return c.text(error.message, statusOf(error));
    return sendProblem(c, statusOf(error), "That did not work", `${error.message}.`);
  });
  return app;
}

const viewerOf = (browser: Browser | null): (Viewer & { account: Account }) | null =>
  browser && { account: browser.account, email: browser.account.email, csrf: browser.csrf };

/** A form that was sent by script wants no page. */
const done = (c: Ctx, to: string): Response => (c.req.header("x-live") ? c.body(null, 204) : c.redirect(to, 303));

/** A part of a page, or the word that it has not changed. */
async function sendPart(c: Ctx, part: Html): Promise<Response> {
  const text = (await part).toString();
  const tag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
  c.header("ETag", tag);
  return c.req.header("if-none-match") === tag ? c.body(null, 304) : c.html(text);
}
