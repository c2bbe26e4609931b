// The one translator from an error's code to an HTTP status and the body that clients read.
import type { Context, ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { STATUS_CODES } from "../../protocol/api.ts";
import { RuncodeError, type ErrorCode } from "../../protocol/errors.ts";
import type { AppEnv } from "./deps.ts";
import { RateLimited } from "./throttle.ts";

const STATUS = new Map<ErrorCode, ContentfulStatusCode>(
  Object.entries(STATUS_CODES).map(([status, code]) => [code, Number(status) as ContentfulStatusCode]),
);

/** The HTTP status that goes with an error. */
export const statusOf = (error: RuncodeError): ContentfulStatusCode => STATUS.get(error.code) ?? 500;

/** The body of every failure: `message` is what clients show. */
export function errorAnswer(c: Context<AppEnv>, status: ContentfulStatusCode, message: string): Response {
  return c.json({ error: true, message }, status);
}

/** What is not a RuncodeError is a defect of ours: the log gets it, the client gets no word of it. */
export function answerError(log: (line: string) => void): ErrorHandler<AppEnv> {
  return (error, c) => {
    if (!(error instanceof RuncodeError)) {
      log(`error: ${c.req.method} ${c.req.path}: ${error.stack ?? String(error)}`);
      return errorAnswer(c, 500, "the server made a mistake; its log says more");
    }
    const status = statusOf(error);
    if (status >= 500) log(`error: ${c.req.method} ${c.req.path}: ${error.message}`);
    if (error instanceof RateLimited) c.header("Retry-After", String(error.retryAfterSeconds));
    if (status === 401) c.header("WWW-Authenticate", 'Token realm="runcode"');
    return errorAnswer(c, status, error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
  };
}
