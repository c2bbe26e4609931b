// How a browser proves who it is, and how it then lets the command line in (docs/decisions/015-how-a-browser-logs-in.md).
import { Hono, type Context } from "hono";
import { RuncodeError } from "../../protocol/errors.ts";
import { consentPage, loginPage } from "../web/doors.ts";
import { browserOf, checkCsrf, checkOrigin, formOf, logIn, logOut, sendPage, sendProblem } from "./browser.ts";
import { remoteOf } from "./guard.ts";
import type { App, AppEnv, RouteDeps } from "./deps.ts";

/** Where a login may lead: a path of ours, written plainly. `//host` and `/\host` would be another server. */
const NEXT = /^\/(?![/\\])[A-Za-z0-9._~/?&=%-]{0,600}$/;
const STATE = /^[A-Za-z0-9._~-]{16,256}$/;

/** Takes the state of things; gives the application for `/auth/login`, `/auth/logout` and `/auth/cli-login/`. */
export function loginRoutes(deps: RouteDeps): App {
  const { plane, throttle } = deps;
  const app: App = new Hono<AppEnv>();

  // A GET never uses the code up: mail scanners and link previews open links, and the code works once.
  app.get("/auth/login", (c) => {
    const code = c.req.query("code") ?? null;
    return sendPage(c, (frame) => loginPage(frame, { next: safeNext(c.req.query("next")), code, problem: null }));
  });

  app.post("/auth/login", async (c) => {
    checkOrigin(c);
    const { secret = "", next } = await formOf(c);
    const account = plane.accounts.redeemLoginCode(secret.trim()) ?? plane.accounts.authenticate(secret.trim());
    if (!account) {
      throttle.failed(remoteOf(c));
      const problem = "That is not a valid token, or the link was used before or is too old.";
      return sendPage(c, (frame) => loginPage(frame, { next: safeNext(next), code: null, problem }), 403);
    }
    logIn(c, deps, account);
    return c.redirect(safeNext(next), 303);
  });

  app.post("/auth/logout", async (c) => {
    checkOrigin(c);
    const browser = browserOf(c, deps);
    if (browser) checkCsrf(browser, (await formOf(c))["csrf"]);
    logOut(c, deps);
    return c.redirect("/auth/login", 303);
  });

  const askConsent = async (c: Context<AppEnv>): Promise<Response> => {
    const asked = callbackOf(c.req.query("port"), c.req.query("state"));
    if (!asked) {
      return sendProblem(c, 400, "This link is not complete", "Run `runcode login` again and use the link it prints.");
    }
    const browser = browserOf(c, deps);
    if (!browser) {
      const next = `/auth/cli-login/?port=${asked.port}&state=${asked.state}`;
      return c.redirect(`/auth/login?next=${encodeURIComponent(next)}`, 303);
    }
    const { account, csrf } = browser;
    return sendPage(c, (frame) => consentPage(frame, { viewer: { email: account.email, csrf }, ...asked }), 200, {
      formAction: originOf(asked.port),
    });
  };
  const giveConsent = async (c: Context<AppEnv>): Promise<Response> => {
    checkOrigin(c);
    const browser = browserOf(c, deps);
    if (!browser) throw new RuncodeError("forbidden", "log in first");
    const form = await formOf(c);
    checkCsrf(browser, form["csrf"]);
    const asked = callbackOf(form["port"], form["state"]);
    if (!asked) throw new RuncodeError("bad_request", "port or state is not valid");
    const { secret } = plane.accounts.createToken(browser.account, "runcode login in a browser");
    const answer = new URLSearchParams({ state: asked.state, token: secret, email: browser.account.email });
    return c.redirect(`${originOf(asked.port)}/callback?${answer.toString()}`, 303);
  };
  for (const path of ["/auth/cli-login", "/auth/cli-login/"]) {
    app.get(path, askConsent);
    app.post(path, giveConsent);
  }
  return app;
}

const originOf = (port: number): string => `http://127.0.0.1:${port}`;

const safeNext = (next: string | undefined): string => (next !== undefined && NEXT.test(next) ? next : "/");

/** The command line's callback, or null. The address is always ours to choose: 127.0.0.1, and no port below 1024. */
function callbackOf(port = "", state = ""): { port: number; state: string } | null {
  const number = /^[1-9][0-9]{3,4}$/.test(port) ? Number(port) : 0;
  return number >= 1024 && number <= 65_535 && STATE.test(state) ? { port: number, state } : null;
}
