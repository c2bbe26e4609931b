// One exchange with a runtime API: bounded in time and size, never redirected, and the key never in the clear across a network.
import * as v from "valibot";
import { RUNTIME_API_BASE, RuntimeErrorAnswer, ValidationErrorAnswer } from "../protocol/runtime-api.ts";
import { isSecure } from "../protocol/secure-url.ts";
import { printable } from "../protocol/text.ts";
import {
  RuntimeError,
  RuntimeInvalid,
  RuntimeNotFound,
  RuntimeRefused,
  RuntimeUnauthorized,
  RuntimeUnavailable,
} from "./errors.ts";
import { send, type Heard } from "./transport.ts";

/** The longest that a timer can be; longer ones would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Longer than any honest answer. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const MESSAGE_LENGTH = 500;

export interface Exchange {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** For the whole exchange, in milliseconds; Infinity waits without end. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Takes a base URL; gives it without trailing slash. Throws RuntimeError `usage`, or `insecure_base` where the key would travel in the clear. */
export function checkBase(base: string, key: string | undefined): string {
  const url = URL.parse(base);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new RuntimeError("usage", `not a runtime API's address: ${base}`, {
      hint: `give one such as ${RUNTIME_API_BASE}`,
    });
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new RuntimeError("usage", "a runtime API's address has no password, query or fragment");
  }
  if (key !== undefined && !isSecure(url)) {
    throw new RuntimeError("insecure_base", `the key would travel in the clear to ${url.origin}`, {
      hint: "use https",
    });
  }
  if (key !== undefined && !/^[\u0021-\u007e]{1,4096}$/.test(key)) {
    throw new RuntimeUnauthorized(
      "unauthorized",
      "the runtime API's key is not one: it is empty, too long, or holds spaces",
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** Sends one request; gives the JSON of its 2xx answer. Throws one of errors.ts, or the signal's reason. */
export async function exchange(base: string, key: string | undefined, request: Exchange): Promise<unknown> {
  const { method, path, body, timeoutMs } = request;
  if (Number.isNaN(timeoutMs) || timeoutMs < 0) throw new RuntimeError("usage", `no time to wait: ${timeoutMs} ms`);
  const deadline = timeoutMs === Infinity ? null : AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER_MS));
  const signals = [request.signal, deadline].filter((signal) => signal != null);
  request.signal?.throwIfAborted();
  try {
    const answer = await send(base + path, {
      method,
      signal: AbortSignal.any(signals),
      headers: {
        accept: "application/json",
        ...(key === undefined ? {} : { "x-api-key": key }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await bounded(answer, base);
    if (answer.status < 200 || answer.status > 299) throw failure(answer.status, text, base);
    return parse(text, base);
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (error instanceof RuntimeError) throw error;
    if (deadline?.aborted) {
      throw new RuntimeUnavailable("timeout", `${base} gave no answer within ${Math.round(timeoutMs / 1000)} s`, {
        hint:
          path === "/start"
            ? "a server of runcode has given up what it had begun: wait longer (--timeout), or bring the image to the engine first"
            : "it may still do what it was asked for: list the runtimes",
        cause: error,
      });
    }
    throw new RuntimeUnavailable("network", `cannot reach the runtime API at ${base}`, {
      hint: "start it with: runcode serve --runtime-api; or say where it is: --runtime-base, RUNCODE_RUNTIME_BASE",
      cause: error,
    });
  }
}

async function bounded({ body }: Heard, base: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new RuntimeError("http_error", `the answer of ${base} is too large`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(joined(chunks, size));
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

function parse(text: string, base: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RuntimeError("http_error", `the answer of ${base} is not JSON`, { hint: "is that a runtime API?" });
  }
}

function failure(status: number, text: string, base: string): RuntimeError {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // Said by the status alone.
  }
  const invalid = v.safeParse(ValidationErrorAnswer, document);
  if (status === 422 && invalid.success) {
    const problems = invalid.output.detail;
    const said = problems.map(({ loc, msg }) => `${loc.slice(1).join(".") || "the request"}: ${msg}`).join("; ");
    return new RuntimeInvalid(shown(said), problems);
  }
  const told = v.safeParse(RuntimeErrorAnswer, document);
  const message = (told.success && shown(told.output.detail)) || `${base} answered ${status}`;
  switch (status) {
    case 400:
      return new RuntimeRefused("conflict", message, { status });
    case 401:
    case 403:
      return new RuntimeUnauthorized(status === 401 ? "unauthorized" : "forbidden", message, {
        status,
        hint: "give the key of that server, in RUNCODE_RUNTIME_KEY",
      });
    case 404:
      return new RuntimeNotFound("not_found", message, { status });
    case 503:
      return new RuntimeUnavailable("unavailable", message, { status });
    default:
      return new RuntimeError(status === 429 ? "rate_limited" : "http_error", message, { status });
  }
}

const shown = (text: string): string => printable(text).trim().slice(0, MESSAGE_LENGTH);
