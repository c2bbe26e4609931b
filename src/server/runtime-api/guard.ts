// What holds for every request to the runtime API: who may ask, how much, and under which name of this machine.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, ErrorHandler, MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { RuncodeError, type ErrorCode } from "../../protocol/errors.ts";
import { nameOf } from "../http/guard.ts";
import { createThrottle, RateLimited } from "../http/throttle.ts";
import type { RuntimeApiDeps, RuntimeApiEnv } from "./deps.ts";
import { EngineRefusal } from "./engine.ts";
import { DuplicatePort } from "./request.ts";
import { NoSuchRuntime, RuntimeRefused } from "./runtimes.ts";
import { InvalidRequest } from "./validation.ts";

type Handler = MiddlewareHandler<RuntimeApiEnv>;

export const refuse = (c: Context, status: ContentfulStatusCode, detail: string): Response =>
  c.json({ detail }, status);

/** Open to everybody: they say what the API is, and nothing of what runs. */
const OPEN = ["/", "/docs", "/openapi.json"];

/** `X-API-Key`, compared in constant time whatever its length. */
export function requireKey({ key, clock }: Pick<RuntimeApiDeps, "key" | "clock">): Handler {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = key === null ? null : digest(key);
  const throttle = createThrottle(clock);
  return async (c, next) => {
    const given = c.req.header("x-api-key");
    const known = expected === null || (given !== undefined && timingSafeEqual(digest(given), expected));
    if (known || OPEN.includes(c.req.path)) return next();
    if (given !== undefined) throttle.failed((c.env as RuntimeApiEnv["Bindings"] | undefined)?.remote ?? "local");
    return refuse(c, 401, given === undefined ? "X-API-Key is missing" : "X-API-Key is not valid");
  };
}

/** See checkHost of src/server/http/guard.ts: a web site whose name resolves to this machine must not speak for its user. */
export function checkName(hosts: RuntimeApiDeps["hosts"]): Handler {
  return async (c, next) => (hosts && !hosts.has(nameOf(c)) ? refuse(c, 421, "this server has another name") : next());
}

/** Says when the whole body is there: until then a caller who sends nothing more is given up by the listener. */
export function receiveAll(): Handler {
  return async (c, next) => {
    // Kept for whoever reads it next.
    await c.req.text();
    (c.env as RuntimeApiEnv["Bindings"] | undefined)?.received?.();
    return next();
  };
}

/** The path only; bodies hold the environment of runtimes, which may be secret. */
export function logRequests({ log, clock }: Pick<RuntimeApiDeps, "log" | "clock">): Handler {
  return async (c, next) => {
    const began = clock.now();
    await next();
    log(`runtime-api ${c.req.method} ${c.req.path.slice(0, 200)} ${c.res.status} ${clock.now() - began} ms`);
  };
}

const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  bad_request: 400,
  forbidden: 400,
  rate_limited: 429,
  unavailable: 503,
};

/** What the operator is told: callers do not hear where an engine is. */
function reasonFor({ message, cause }: Error): string {
  return cause instanceof RuncodeError ? cause.message : message;
}

/** nginx's word for it; HTTP has none. */
const CLIENT_CLOSED = 499 as ContentfulStatusCode;

/** The one translator from what was thrown to a status and `{"detail": …}`. */
export function answerError(log: (line: string) => void): ErrorHandler<RuntimeApiEnv> {
  return (error, c) => {
    // The caller hung up, which is the reason for whatever was thrown. Nobody reads this; it is what the log shows.
    if (c.req.raw.signal.aborted) return refuse(c, CLIENT_CLOSED, "the caller hung up");
    if (error instanceof InvalidRequest) return c.json({ detail: error.problems }, 422);
    if (error instanceof NoSuchRuntime) return refuse(c, 404, error.message);
    if (error instanceof RuntimeRefused || error instanceof DuplicatePort || error instanceof EngineRefusal) {
      return refuse(c, 400, error.message);
    }
    const status = error instanceof RuncodeError ? STATUS[error.code] : undefined;
    if (status === undefined) {
      log(`error: runtime-api ${c.req.method} ${c.req.path}: ${error.stack ?? String(error)}`);
      return refuse(c, 500, "the server made a mistake; its log says more");
    }
    if (status >= 500) log(`error: runtime-api ${c.req.method} ${c.req.path}: ${reasonFor(error)}`);
    if (error instanceof RateLimited) c.header("Retry-After", String(error.retryAfterSeconds));
    return refuse(c, status, error.message);
  };
}
