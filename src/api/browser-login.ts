// Logging in with a browser: a listener on loopback that takes one callback, from whoever knows the state that only the consent
// page was given.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { RuncodeError } from "../protocol/errors.ts";

export interface BrowserLogin {
  /** The consent page, with our port and state. */
  readonly url: string;
  /** Settles with the first good callback. Rejects with `timeout`, `unauthorized` (the page said no), or the signal's reason. */
  readonly answered: Promise<{ readonly token: string; readonly email: string | null }>;
  /** Stops listening; idempotent. */
  close(): void;
}

export interface BrowserLoginOptions {
  readonly webBase: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const CALLBACK = "/callback";

/** Listens on a free port of 127.0.0.1; gives the URL to open and the promise of an answer. The caller closes. Throws `io`. */
export async function startBrowserLogin({ webBase, timeoutMs, signal }: BrowserLoginOptions): Promise<BrowserLogin> {
  const state = randomBytes(32).toString("base64url");
  const { promise, resolve, reject } = Promise.withResolvers<{ token: string; email: string | null }>();
  // A failure is the caller's when it awaits; one that comes before is not a crash.
  promise.catch(() => {});
  let done = false;
  const server = http.createServer((request, response) => {
    const url = URL.parse(request.url ?? "", "http://127.0.0.1");
    // Another name for this address in Host is a page that rebinds its DNS to reach us.
    const { port } = server.address() as AddressInfo;
    const host = request.headers.host;
    if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`)
      return page(response, 403, "Not for this address.");
    if (url?.pathname !== CALLBACK) return page(response, 404, "There is nothing here.");
    if (request.method !== "GET") return page(response, 405, "Only GET.");
    if (done) return page(response, 410, "This login has been completed already.");
    const { searchParams } = url;
    if (!sameSecret(searchParams.get("state") ?? "", state))
      return page(response, 403, "This is not the login that runcode is waiting for.");
    const token = searchParams.get("token") ?? "";
    done = true;
    const settle = (): void =>
      token === ""
        ? reject(new RuncodeError("unauthorized", "the login was not granted in the browser"))
        : resolve({ token, email: searchParams.get("email") });
    // The page first: the program ends as soon as this settles.
    response.once("close", settle);
    page(
      response,
      token === "" ? 400 : 200,
      token === ""
        ? "The login was not granted."
        : "You are logged in. You can close this page and go back to your terminal.",
    );
  });
  await new Promise<void>((ready, failed) => {
    server.once("error", (cause) =>
      failed(new RuncodeError("io", `cannot listen on 127.0.0.1: ${cause.message}`, { hint: "use --paste", cause })),
    );
    server.listen(0, "127.0.0.1", ready);
  });
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = setTimeout(
    () =>
      reject(
        new RuncodeError("timeout", `nobody answered in the browser within ${Math.round(timeoutMs / 1000)} s`, {
          hint: "run runcode login again, with --timeout for more time or --paste to paste a token",
        }),
      ),
    timeoutMs,
  );
  const { port } = server.address() as AddressInfo;
  return {
    url: `${webBase}/auth/cli-login/?${new URLSearchParams({ port: String(port), state }).toString()}`,
    answered: promise,
    close() {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Digests first: timingSafeEqual wants equal lengths, and the length is nobody's business either. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** A page without anything of the request in it. Its script takes the token out of the address bar and so out of the history. */
function page(response: http.ServerResponse, status: number, text: string): void {
  const nonce = randomBytes(16).toString("base64");
  const body = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>runcode</title>
<style nonce="${nonce}">:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0;padding:1rem}</style>
<main><h1>runcode</h1><p>${text}</p></main>
<script nonce="${nonce}">history.replaceState(null,"","/done")</script></html>
`;
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; base-uri 'none'; frame-ancestors 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(body);
}
