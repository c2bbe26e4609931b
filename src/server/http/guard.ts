// What holds for every request, whichever route it is for.
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { MAX_BODY_BYTES } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { errorAnswer } from "./errors.ts";
import type { AppDeps, AppEnv, HostPolicy, RouteDeps } from "./deps.ts";

/** The address of the peer, as the listener knows it. */
export function remoteOf(c: Context<AppEnv>): string {
  // With app.request in a test there is no listener, and no bindings at all.
  return (c.env as AppEnv["Bindings"] | undefined)?.remote ?? "local";
}

/**
 * On loopback, a page of any web site can have its own name resolve to 127.0.0.1 and then counts as our origin (DNS
 * rebinding). The browser still sends the name it was told, so a foreign `Host` is turned away.
 */
export function checkHost(policy: HostPolicy): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (policy && !policy.names.has(nameOf(c))) return errorAnswer(c, 421, "this server has another name");
    return next();
  };
}

/** Takes a request; gives the name that its Host header says, in lower case, without port and final dot; "" for what is none. */
export function nameOf(c: Context): string {
  // HTTP/1.0 has requests without one, whose URL then has no host either.
  const host = c.req.header("host") ?? URL.parse(c.req.url)?.host ?? "";
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase() ?? "";
}

/** What holds for whatever a server of ours answers. */
const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** Sets headers on every answer that does not bring its own: a page has a policy that is made for what is on it. */
export function headers(more: Readonly<Record<string, string>> = {}): MiddlewareHandler {
  const all = Object.entries({ ...HEADERS, ...more });
  return async (c, next) => {
    await next();
    for (const [name, value] of all) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}

export function securityHeaders({ secure }: Pick<AppDeps, "secure">): MiddlewareHandler<AppEnv> {
  return headers({
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    ...(secure ? { "Strict-Transport-Security": "max-age=31536000" } : {}),
  });
}

/** The path only: a query may hold a login code or a state. */
export function logRequests({ log, clock }: Pick<AppDeps, "log" | "clock">): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const began = clock.now();
    await next();
    // A page that is open asks every other second, and mostly nothing has changed.
    if (c.res.status === 304) return;
    log(`http ${c.req.method} ${c.req.path.slice(0, 200)} ${c.res.status} ${clock.now() - began} ms`);
  };
}

export function boundBody(): MiddlewareHandler<AppEnv> {
  return bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (c) => errorAnswer(c as Context<AppEnv>, 413, "the body is larger than 1 MiB"),
  });
}

/** `Authorization: Token …`, and nothing else: a cookie that a browser adds by itself opens no API route. */
export function requireToken({ plane, throttle }: RouteDeps): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const token = /^token ([\x21-\x7e]{1,200})$/i.exec(c.req.header("authorization") ?? "")?.[1];
    const account = token === undefined ? null : plane.accounts.authenticate(token);
    if (!account) {
      if (token !== undefined) throttle.failed(remoteOf(c));
      throw new RuncodeError("unauthorized", token === undefined ? "a token is needed" : "the token is not valid", {
        hint: "run `runcode login`",
      });
    }
    c.set("account", account);
    return next();
  };
}
