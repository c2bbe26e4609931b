// What the pages share: who the browser is, where a form may come from, and how a page is sent.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { RuncodeError } from "../../protocol/errors.ts";
import { loadAssets } from "../web/assets.ts";
import { messagePage } from "../web/doors.ts";
import type { Frame, Html } from "../web/layout.ts";
import { WEB_SESSION_MS, type Account } from "../workspaces/accounts.ts";
import type { AppEnv, RouteDeps } from "./deps.ts";

type Ctx = Context<AppEnv>;

/**
 * `__Host-` binds the cookie to this very host; browsers accept that prefix over https only. Cookies know no ports, so the name
 * holds which server it is: another one on this machine would overwrite it.
 */
const cookieName = ({ secure, instance }: Pick<RouteDeps, "secure" | "instance">): string =>
  `${secure ? "__Host-" : ""}runcode-${instance}`;

/** A logged-in browser. */
export interface Browser {
  readonly account: Account;
  /** To be sent back by every form: a page of another origin cannot read it. */
  readonly csrf: string;
}

/** Gives who the browser is, or null. */
export function browserOf(c: Ctx, deps: RouteDeps): Browser | null {
  const cookie = getCookie(c, cookieName(deps));
  const account = cookie === undefined ? null : deps.plane.accounts.webSession(cookie);
  return account && cookie !== undefined ? { account, csrf: csrfOf(cookie) } : null;
}

/** Opens a browser session and sets its cookie. */
export function logIn(c: Ctx, deps: RouteDeps, account: Account): void {
  setCookie(c, cookieName(deps), deps.plane.accounts.createWebSession(account), {
    httpOnly: true,
    // Strict: a link on another site opens our pages as for a stranger. A browser that the command line opens is not one.
    sameSite: "Strict",
    secure: deps.secure,
    path: "/",
    maxAge: WEB_SESSION_MS / 1000,
  });
}

/** Ends the browser session, here and in the browser. */
export function logOut(c: Ctx, deps: RouteDeps): void {
  const cookie = getCookie(c, cookieName(deps));
  if (cookie !== undefined) deps.plane.accounts.endWebSession(cookie);
  deleteCookie(c, cookieName(deps), { secure: deps.secure, path: "/" });
}

/** Derived from the cookie, so that nothing needs to be kept; the hash does not lead back to it. */
function csrfOf(cookie: string): string {
  return createHash("sha256").update(`csrf:${cookie}`).digest("base64url");
}

/** Throws RuncodeError `forbidden` unless the form was on a page of ours, shown to this browser. */
export function checkCsrf(browser: Browser, given: string | undefined): void {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  if (given === undefined || !timingSafeEqual(digest(given), digest(browser.csrf))) {
    throw new RuncodeError("forbidden", "this form is out of date; go back and load the page again");
  }
}

/**
 * Throws RuncodeError `forbidden` when the browser says that a request comes from another origin. SameSite does not: for
 * it every port of 127.0.0.1 is one site. `Origin` is `null` for our own forms because of our Referrer-Policy, so
 * it is only read where there is no `Sec-Fetch-Site`.
 */
export function checkOrigin(c: Ctx): void {
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  const foreign =
    site === undefined
      ? origin !== undefined && origin !== "null" && origin.replace(/^https?:\/\//, "") !== c.req.header("host")
      : site !== "same-origin" && site !== "none";
  if (foreign) throw new RuncodeError("forbidden", "this request came from another site");
}

/** The form's fields, each once and as text. */
export async function formOf(c: Ctx): Promise<Record<string, string | undefined>> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(c.req.header("content-type") ?? "")) {
    throw new RuncodeError("bad_request", "a form is expected");
  }
  return Object.fromEntries(new URLSearchParams(await c.req.text()));
}

/** What a page may do beyond showing itself: sources for its Content-Security-Policy. */
export interface PagePolicy {
  /** Origins besides ours that its forms lead to; browsers hold redirects after a form to this as well. */
  readonly formAction?: string;
  /** Further directives, such as `script-src 'self'; connect-src 'self'`. */
  readonly more?: string;
}

/** Sends a page under a policy that allows our styles and images, its forms, and what `policy` adds. */
export async function sendPage(
  c: Ctx,
  make: (frame: Frame) => Html,
  status: ContentfulStatusCode = 200,
  policy: PagePolicy = {},
): Promise<Response> {
  const nonce = randomBytes(16).toString("base64");
  const directives = [
    "default-src 'none'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    `form-action 'self'${policy.formAction === undefined ? "" : ` ${policy.formAction}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...(policy.more === undefined ? [] : [policy.more]),
  ];
  c.header("Content-Security-Policy", directives.join("; "));
  const assets = await loadAssets();
  return c.html(await make({ nonce, asset: assets.url }), status);
}

/** Sends a page that says what is wrong. */
export function sendProblem(c: Ctx, status: ContentfulStatusCode, title: string, text: string): Promise<Response> {
  return sendPage(c, (frame) => messagePage(frame, { title, text }), status);
}
