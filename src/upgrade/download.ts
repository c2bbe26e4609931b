// Files from a release page that is not trusted: https at every hop, a bound on size and on silence.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

const MAX_REDIRECTS = 5;
/** How long a server may say nothing. In milliseconds. */
const SILENCE_MS = 60_000;

export interface Limits {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Gives a small file's text. Throws `not_found`, `network`, `http_error`, `insecure_base`. */
export async function downloadText(url: string, limits: Limits): Promise<string> {
  const chunks: Uint8Array[] = [];
  await download(url, limits, async (chunk) => void chunks.push(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** Writes a file that must not be there yet, 0600, and gives its SHA-256 in hex. Throws as `downloadText`, and `io`. */
export async function downloadFile(url: string, file: string, limits: Limits): Promise<string> {
  const hash = createHash("sha256");
  const handle = await open(file, "wx", 0o600);
  try {
    await download(url, limits, async (chunk) => {
      hash.update(chunk);
      await handle.writeFile(chunk);
    });
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}

async function download(url: string, limits: Limits, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  const silence = new AbortController();
  const wait = (): ReturnType<typeof setTimeout> => setTimeout(() => silence.abort(), SILENCE_MS);
  let timer = wait();
  try {
    const response = await follow(new URL(url), AbortSignal.any([limits.signal, silence.signal]));
    if (response.status === 404) throw new RuncodeError("not_found", `there is no ${url}`);
    if (!response.ok || !response.body) throw new RuncodeError("http_error", `${url} answered ${response.status}`);
    let size = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      size += chunk.byteLength;
      if (size > limits.maxBytes) throw new RuncodeError("http_error", `${url} is larger than it can be`);
      await take(chunk);
      timer = wait();
    }
  } catch (error) {
    if (limits.signal.aborted) throw limits.signal.reason;
    if (error instanceof RuncodeError) throw error;
    const why = silence.signal.aborted ? "it fell silent" : error instanceof Error ? error.message : String(error);
    throw new RuncodeError("network", `cannot download ${url}: ${printable(why).slice(0, 200)}`, {
      hint: "check the connection; RUNCODE_DOWNLOAD_BASE names a mirror",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Redirects stay on https. A mirror on this machine may not redirect at all: it could lead away in clear. */
async function follow(from: URL, signal: AbortSignal): Promise<Response> {
  let url = from;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await fetch(url.href, { redirect: "manual", signal });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    if (from.protocol !== "https:" || next?.protocol !== "https:")
      throw new RuncodeError("insecure_base", `${from.origin} redirects to something that is not https`);
    url = next;
  }
  throw new RuncodeError("http_error", `${from.origin} redirects without end`);
}
