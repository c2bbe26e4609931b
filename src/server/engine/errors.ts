// What an engine or the way to it answers, in the words of our own errors.
import { errno } from "../../platform/files.ts";
import { RuncodeError, type ErrorCode } from "../../protocol/errors.ts";
import { oneLine } from "../../protocol/text.ts";
import type { Endpoint } from "./endpoint.ts";

/** Errors of a connection that could not be made, or broke. Bun has names of its own beside the system's. */
const UNREACHABLE = new Set([
  ...["ECONNREFUSED", "ENOENT", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"],
  ...["ConnectionRefused", "ConnectionClosed", "FailedToOpenSocket", "ABORT_ERR", "ECONNABORTED", "UND_ERR_SOCKET"],
]);
/** How a certificate that is missing, wrong or of nobody's shows. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|SSL|TLS|certificate/;
const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "bad_request",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
};

/** The way to the engine did not come about or broke; the message is what its program said, one line. */
export class WayBroken extends Error {
  readonly hint: string;

  constructor(said: string, hint: string) {
    super(said);
    this.hint = hint;
  }
}

/** The HTTP status that an engine refused with, or undefined when the error is not an answer of its. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" ? status : undefined;
}

/**
 * Whether an engine says that there is no such thing. Podman calls it a failure of its own (500) when a container removes itself
 * while it is being asked about.
 */
export function isMissing(error: unknown): boolean {
  const status = statusOf(error);
  return status === 404 || (status === 500 && /no such container/i.test(reasonOf(error)));
}

/** Takes a request; gives what the engine answers, null where there is no such thing. Throws what else the request throws. */
export async function ifThere<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const SAID_LENGTH = 400;

/**
 * Takes what an engine, a registry behind it or a program in a container has said, of whatever type; gives it as people may read
 * it: one line without control characters, 400 characters at most.
 */
export function said(text: unknown): string {
  return typeof text === "string" || typeof text === "number" ? oneLine(String(text)).slice(0, SAID_LENGTH) : "";
}

/** What the engine said, without dockerode's frame around it: its last line, as `said` gives it. */
export function reasonOf(error: unknown): string {
  const json = (error as { json?: { message?: unknown } } | null)?.json;
  const message =
    typeof json?.message === "string" ? json.message : error instanceof Error ? error.message : String(error);
  const bare = message.trim().replace(/^\(HTTP code \d+\) [^-]* - /, "");
  return said(bare.split("\n").at(-1)) || "it gave no reason";
}

/**
 * Takes an error of a request and what could not be done, null where the engine was only asked who it is; gives ours. An engine
 * that does not answer is `unavailable`, whatever was tried.
 */
export function engineError(
  error: unknown,
  what: string | null,
  endpoint?: Endpoint,
  otherwise: ErrorCode = "error",
): RuncodeError {
  if (error instanceof RuncodeError) return error;
  const engine = endpoint ? `the engine at ${endpoint.url}` : "the engine";
  const failed = (code: ErrorCode, why: string, hint?: string): RuncodeError =>
    new RuncodeError(code, what === null ? why : `${what}: ${why}`, { hint, cause: error });
  const status = statusOf(error);
  const reason = what === null ? `${engine}: ${reasonOf(error)}` : reasonOf(error);
  if (status !== undefined) return failed(CODES[status] ?? otherwise, reason);
  const code = errno(error);
  const name = error instanceof Error ? error.name : "";
  if (code === "EACCES" || code === "EPERM")
    return failed(
      "unavailable",
      `this account may not use ${engine}`,
      "run the server as an account that may, such as a member of the group docker",
    );
  const secure = endpoint?.kind === "tcp" && endpoint.tls !== null;
  if (secure && (CERTIFICATE.test(`${code} ${reason}`) || (code === "ECONNRESET" && endpoint.tls?.cert === undefined)))
    return failed(
      "unavailable",
      `no trust between this machine and ${engine} (${code ?? reason})`,
      "DOCKER_CERT_PATH (~/.docker where unset) is a directory with ca.pem, and cert.pem and key.pem of a client that the engine knows",
    );
  if (error instanceof WayBroken)
    return failed("unavailable", `${engine} is not reached: ${error.message}`, error.hint);
  if (name === "TimeoutError" || name === "AbortError" || (code !== undefined && UNREACHABLE.has(code)))
    return failed(
      "unavailable",
      `${engine} does not answer${code && code !== "ABORT_ERR" ? ` (${code})` : ""}`,
      endpoint ? `start it, or name another one: this one is from ${endpoint.from}` : "start the container engine",
    );
  return failed(otherwise, reason);
}
