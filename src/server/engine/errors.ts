// What an engine or the way to it answers, in the words of our own errors.
import { errno } from "../../platform/files.ts";
import { RuncodeError, type ErrorCode } from "../../protocol/errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** Errors of a connection that could not be made, or broke. Bun has names of its own beside the system's. */
const UNREACHABLE = new Set([
  ...["ECONNREFUSED", "ENOENT", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"],
  ...["ConnectionRefused", "ConnectionClosed", "FailedToOpenSocket", "ABORT_ERR", "ECONNABORTED", "UND_ERR_SOCKET"],
]);
const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "bad_request",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
};

/** The HTTP status that an engine refused with, or undefined when the error is not an answer of its. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" ? status : undefined;
}

/** What the engine said, without dockerode's frame around it: one line. */
export function reasonOf(error: unknown): string {
  const said = (error as { json?: { message?: unknown; cause?: unknown } } | null)?.json;
  const message =
    typeof said?.message === "string" ? said.message : error instanceof Error ? error.message : String(error);
  const bare = message.trim().replace(/^\(HTTP code \d+\) [^-]* - /, "");
  return (bare.split("\n").at(-1) ?? "").slice(0, 400);
}

/** Takes an error of a request and what was tried; gives ours. An engine that does not answer is `unavailable`, whatever was tried. */
export function engineError(
  error: unknown,
  what: string,
  endpoint?: Endpoint,
  otherwise: ErrorCode = "error",
): RuncodeError {
  if (error instanceof RuncodeError) return error;
  const status = statusOf(error);
  if (status !== undefined)
    return new RuncodeError(CODES[status] ?? otherwise, `${what}: ${reasonOf(error)}`, { cause: error });
  const code = errno(error);
  const name = error instanceof Error ? error.name : "";
  if (code === "EACCES" || code === "EPERM")
    return new RuncodeError("unavailable", `${what}: this account may not use it`, {
      hint: "run the server as an account that may, such as a member of the group docker",
      cause: error,
    });
  if (name === "TimeoutError" || name === "AbortError" || (code !== undefined && UNREACHABLE.has(code)))
    return new RuncodeError(
      "unavailable",
      `${what} does not answer${code && code !== "ABORT_ERR" ? ` (${code})` : ""}`,
      {
        hint: endpoint
          ? `start it, or name another one: it was found by ${endpoint.from}`
          : "start the container engine",
        cause: error,
      },
    );
  return new RuncodeError(otherwise, `${what}: ${reasonOf(error)}`, { cause: error });
}
