// How a request travels. Nobody may give it up but the caller and his deadline, while fetch has limits of its own: Node.js waits
// five minutes for the first byte of an answer and has no way to say otherwise, and Bun as long, unless it is told.

export interface Sent {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

export interface Heard {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends one request, which is never redirected; gives the answer as it begins. Throws what the runtime throws, and the signal's reason. */
export async function send(url: string, sent: Sent): Promise<Heard> {
  const http = nodeHttp(url);
  if (http) return await throughNode(http, url, sent);
  const { method, headers, signal, body } = sent;
  // `timeout` is Bun's; nobody else looks at it.
  const init = {
    method,
    headers,
    signal,
    redirect: "manual" as const,
    timeout: false,
    ...(body === undefined ? {} : { body }),
  };
  const response = await fetch(url, init);
  return { status: response.status, body: (response.body ?? []) as AsyncIterable<Uint8Array> };
}

/** What is used of Node's `http` and `https`, so that nothing of Node is needed to compile or bundle this. */
interface NodeHttp {
  request(url: string, options: object, answered: (answer: NodeAnswer) => void): NodeRequest;
}
interface NodeRequest {
  once(event: "error", failed: (error: unknown) => void): unknown;
  end(body?: string): void;
}
type NodeAnswer = AsyncIterable<Uint8Array> & { readonly statusCode?: number };
interface Runtime {
  readonly process?: {
    readonly versions?: { readonly bun?: string };
    readonly getBuiltinModule?: (name: string) => NodeHttp | undefined;
  };
}

/** Node's own client, where this is Node.js; null in Bun and in browsers. */
function nodeHttp(url: string): NodeHttp | null {
  const { process: node } = globalThis as Runtime;
  if (!node || node.versions?.bun !== undefined) return null;
  return node.getBuiltinModule?.(url.startsWith("https:") ? "node:https" : "node:http") ?? null;
}

async function throughNode(http: NodeHttp, url: string, { body, ...sent }: Sent): Promise<Heard> {
  const length = body === undefined ? {} : { "content-length": String(new TextEncoder().encode(body).length) };
  // A connection of its own: one that was kept may have been closed by the other end meanwhile.
  const options = { ...sent, headers: { ...sent.headers, ...length }, agent: false };
  return await new Promise((resolve, reject) => {
    const request = http.request(url, options, (answer) => resolve({ status: answer.statusCode ?? 0, body: answer }));
    request.once("error", reject);
    request.end(body);
  });
}
