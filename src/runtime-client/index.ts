// A client of the runtime API, for programs and for the `runtime` commands: this server's, and the public one's that it is
// compatible with. It imports nothing, so that it runs in Node.js, Bun and browsers; scripts/release/runtime-client.ts makes
// JavaScript and declarations of it for the npm package.
import * as v from "valibot";
import {
  RUNTIME_API_BASE,
  RuntimeActionAnswer as ActionAnswer,
  RuntimeAnswer as Answer,
  RuntimeListAnswer as ListAnswer,
  STOP_GRACE_SECONDS,
} from "../protocol/runtime-api.ts";
import { RuntimeError } from "./errors.ts";
import { checkBase, exchange } from "./http.ts";
import type { RuntimeActionAnswer, RuntimeAnswer, StartRuntimeInput } from "./types.ts";

export * from "./errors.ts";
export type * from "./types.ts";

export interface RuntimeClientOptions {
  /** Where the API is; http://127.0.0.1:8090 unless something else is said. */
  readonly base?: string | undefined;
  /** What is sent as `X-API-Key`. */
  readonly key?: string | undefined;
}

export interface CallOptions {
  /** Gives the call up, with the signal's reason. A runtime that was being started is then removed by the server. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the answer, in milliseconds, at most 24 days; Infinity waits without end. */
  readonly timeoutMs?: number | undefined;
}

export interface StopOptions extends CallOptions {
  /** How long the runtime may take to end by itself, in seconds. */
  readonly graceSeconds?: number | undefined;
}

export interface RuntimeClient {
  /** Makes a container and starts it; the image is pulled when it is not there, for which there are ten minutes. */
  startRuntime(request: StartRuntimeInput, options?: CallOptions): Promise<RuntimeAnswer>;
  pauseRuntime(runtimeId: string, options?: CallOptions): Promise<RuntimeActionAnswer>;
  resumeRuntime(runtimeId: string, options?: CallOptions): Promise<RuntimeActionAnswer>;
  /** Waits longer than the runtime may take to end. */
  stopRuntime(runtimeId: string, options?: StopOptions): Promise<RuntimeActionAnswer>;
  /** Of this project's server only; another one answers with RuntimeNotFound. */
  listRuntimes(options?: CallOptions): Promise<RuntimeAnswer[]>;
}

/** What every runtime of the hosted contract has, and none of this one. */
const HOSTED = /"pod_status":/;
const START_MS = 600_000;
const CALL_MS = 30_000;
/** The public server's own grace, which is longer than ours. */
const LONGEST_DEFAULT_GRACE_SECONDS = Math.max(10, STOP_GRACE_SECONDS);

/** Gives a client; nothing is sent yet. Throws RuntimeError for an address that is none or would show the key to the network. */
export function createRuntimeClient({ base = RUNTIME_API_BASE, key }: RuntimeClientOptions = {}): RuntimeClient {
  const at = checkBase(base, key);
  const call = async <S extends v.GenericSchema>(
    schema: S,
    path: string,
    body: unknown,
    { signal, timeoutMs = CALL_MS }: CallOptions,
  ): Promise<v.InferOutput<S>> => {
    const method = body === undefined ? "GET" : "POST";
    const document = await exchange(at, key, { method, path, body, timeoutMs, signal });
    const parsed = v.safeParse(schema, document);
    if (parsed.success) return parsed.output;
    if (HOSTED.test(JSON.stringify(document)))
      throw new RuntimeError("http_error", `${at} speaks the hosted contract, which this client does not`, {
        hint: "start the server without --runtime-api-hosted, or name another one",
      });
    throw new RuntimeError("http_error", `the answer of ${at}${path} is malformed`, { hint: "is that a runtime API?" });
  };
  return {
    startRuntime: (request, options = {}) => call(Answer, "/start", request, { timeoutMs: START_MS, ...options }),
    pauseRuntime: (id, options = {}) => call(ActionAnswer, "/pause", { runtime_id: id }, options),
    resumeRuntime: (id, options = {}) => call(ActionAnswer, "/resume", { runtime_id: id }, options),
    stopRuntime: async (id, { graceSeconds, ...options } = {}) => {
      if (graceSeconds !== undefined && !(Number.isFinite(graceSeconds) && graceSeconds >= 0))
        throw new RuntimeError("usage", `no time to end: ${graceSeconds} s`);
      const request = { runtime_id: id, ...(graceSeconds === undefined ? {} : { timeout: graceSeconds }) };
      const timeoutMs = CALL_MS + (graceSeconds ?? LONGEST_DEFAULT_GRACE_SECONDS) * 1000;
      return await call(ActionAnswer, "/stop", request, { timeoutMs, ...options });
    },
    listRuntimes: async (options = {}) => (await call(ListAnswer, "/list", undefined, options)).runtimes,
  };
}
