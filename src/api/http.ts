// One HTTP exchange with a control plane that is not trusted: every hop is checked, nothing is waited for without end, and
// nothing larger than the limit is held.
import { isSecure } from "../protocol/secure-url.ts";
import type { Clock } from "../platform/clock.ts";
import { MAX_BODY_BYTES, REQUEST_TIMEOUT_MS, STATUS_CODES } from "../protocol/api.ts";
import { RuncodeError, type ErrorCode } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: URL;
  readonly token: string;
  readonly body?: unknown;
  /** Whether asking twice is as good as asking once; only then is a 429 waited out and asked again. */
  readonly idempotent: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** The parsed JSON document; undefined for an empty body. */
  readonly document: unknown;
  /** The server's clock by its Date header, in milliseconds since the epoch. */
  readonly serverTime: number | null;
}

export interface HttpDeps {
  readonly clock: Clock;
  readonly userAgent: string;
  /** For the whole exchange, redirects included. In milliseconds. */
  readonly timeoutMs?: number;
}

const MAX_REDIRECTS = 5;
/** A Retry-After beyond this is reported, not waited for. In milliseconds. */
const MAX_RETRY_WAIT_MS = 10_000;
const MESSAGE_LENGTH = 500;

/**
 * Sends one request and gives its 2xx answer. Throws RuncodeError by the protocol's status table; `network` when nothing
 * answered in time, `insecure_base` for a redirect to plain http, `http_error` for an answer that is no JSON or is too large.
 */
export async function exchange(request: HttpRequest, deps: HttpDeps): Promise<HttpAnswer> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await once(request, deps);
    if ("answer" in outcome) return outcome.answer;
    const { error, retryAfterMs } = outcome;
    const mayRetry = attempt === 0 && request.idempotent && error.code === "rate_limited";
    if (!mayRetry || retryAfterMs === null || retryAfterMs > MAX_RETRY_WAIT_MS) throw error;
    await deps.clock.sleep(retryAfterMs, request.signal);
  }
}

type Outcome = { answer: HttpAnswer } | { error: RuncodeError; retryAfterMs: number | null };

async function once(request: HttpRequest, deps: HttpDeps): Promise<Outcome> {
  const timeoutMs = deps.timeoutMs ?? REQUEST_TIMEOUT_MS;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const signal = request.signal ? AbortSignal.any([deadline.signal, request.signal]) : deadline.signal;
  try {
    const response = await follow(request, deps.userAgent, signal);
    const body = await readBody(response);
    const serverTime = httpDate(response.headers.get("date") ?? "");
    if (response.ok) {
      const document = body === "" ? undefined : parseJson(body, request.url);
      return {
        answer: { status: response.status, document, serverTime },
      };
    }
    return {
      error: statusError(response.status, body, request.url),
      retryAfterMs: retryAfter(response.headers.get("retry-after"), deps.clock.now()),
    };
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (error instanceof RuncodeError) throw error;
    const why = deadline.signal.aborted
      ? `no answer within ${Math.round(timeoutMs / 1000)} s`
      : connectionFailure(error);
    throw new RuncodeError("network", `cannot reach ${request.url.origin}: ${why}`, {
      hint: "check the connection and the API base; runcode doctor tests both",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Redirects are followed by hand: each hop must pass the same test as the base, and another origin never sees the token. */
async function follow(request: HttpRequest, userAgent: string, signal: AbortSignal): Promise<Response> {
  const { method, body } = request;
  let { url } = request;
  let sameOrigin = true;
  for (let hop = 0; ; hop++) {
    if (!isSecure(url))
      throw new RuncodeError("insecure_base", `${request.url.origin} redirects to ${url.origin}, which is not https`, {
        hint: "the control plane is misconfigured or somebody is in between",
      });
    // The body may hold nothing secret, but a public key and a title are not for strangers either.
    // A chain that once left is not trusted when it comes back either.
    sameOrigin &&= url.origin === request.url.origin;
    if (!sameOrigin && body !== undefined)
      throw new RuncodeError("http_error", `${request.url.origin} redirects a ${method} to ${url.origin}`, {
        hint: "give that origin as --api-base if it is the right one",
      });
    const response = await fetch(url.href, {
      method,
      redirect: "manual",
      signal,
      headers: {
        accept: "application/json",
        "user-agent": userAgent,
        ...(sameOrigin ? { authorization: `Token ${request.token}` } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    if (hop >= MAX_REDIRECTS) throw new RuncodeError("http_error", `${request.url.origin} redirects without end`);
    const next = URL.parse(location, url.href);
    if (!next) throw new RuncodeError("http_error", `${url.origin} redirects to something that is no URL`);
    // Fetch §4.4: 303 makes everything a GET, 301 and 302 a POST only. We never repeat a change as another method.
    if (method !== "GET" && response.status !== 307 && response.status !== 308)
      throw new RuncodeError("http_error", `${url.origin} answers a ${method} with a redirect (${response.status})`);
    next.username = "";
    next.password = "";
    url = next;
  }
}

async function readBody(response: Response): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream: no more is read than this.
    if (size > MAX_BODY_BYTES)
      throw new RuncodeError("http_error", "the control plane's answer is larger than 1 MiB", {
        hint: "this is not a RunCode control plane, or it is broken",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(body: string, url: URL): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw new RuncodeError("http_error", `the answer of ${url.origin}${url.pathname} is not JSON`, {
      hint: "check the API base; runcode doctor tests it",
    });
  }
}

function statusError(status: number, body: string, url: URL): RuncodeError {
  const code: ErrorCode = (STATUS_CODES as Record<number, ErrorCode | undefined>)[status] ?? "http_error";
  const said = bodyMessage(body);
  return new RuncodeError(code, said ?? `${url.origin} answered ${status}`, { hint: HINTS[code] });
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  unauthorized: "the token is not valid here (any more): run runcode login",
  forbidden: "the account may not do that",
  rate_limited: "wait a little and try again",
  unavailable: "the service is not ready; try again in a moment",
};

/** `message`, `detail` or a string `error`, in that order, without control characters and cut; null when there is none. */
function bodyMessage(body: string): string | null {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof document !== "object" || document === null) return null;
  for (const field of ["message", "detail", "error"] as const) {
    const value = (document as Record<string, unknown>)[field];
    if (typeof value === "string") {
      const text = serverText(value);
      if (text !== "") return text;
    }
  }
  return null;
}

/** Takes a text of the server's; gives it fit to be shown. */
export function serverText(text: string): string {
  return printable(text).trim().slice(0, MESSAGE_LENGTH);
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3); gives milliseconds to wait, or null when there is none to go by. */
function retryAfter(value: string | null, now: number): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const until = httpDate(value);
  return until === null ? null : Math.max(0, until - now);
}

/** The one form that servers send (RFC 9110 §5.6.7, IMF-fixdate); Date.parse alone reads "-1" as a year. */
function httpDate(value: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value.trim())) return null;
  const time = Date.parse(value);
  return Number.isNaN(time) ? null : time;
}

function connectionFailure(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const known: Record<string, string> = {
    ConnectionRefused: "connection refused",
    ECONNREFUSED: "connection refused",
    ConnectionClosed: "the connection was closed",
    ECONNRESET: "the connection was reset",
    FailedToOpenSocket: "no such host, or no route to it",
    ENOTFOUND: "no such host",
  };
  return printable(known[code] ?? (error instanceof Error ? error.message : String(error))).slice(0, 200);
}
