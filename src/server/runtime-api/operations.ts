// What can be asked of the runtime API, as a table: the OpenAPI document and the docs page are written from it.
import type * as v from "valibot";
import {
  HostedActionRequest,
  HostedListAnswer,
  HostedRuntime,
  HostedRuntimes,
  HostedStartRequest,
  ImageExistsAnswer,
  RegistryPrefixAnswer,
} from "../../protocol/hosted-runtime-api.ts";
import {
  RuntimeActionAnswer,
  RuntimeActionRequest,
  RuntimeAnswer,
  RuntimeListAnswer,
  StartRuntimeRequest,
} from "../../protocol/runtime-api.ts";

export interface Operation {
  readonly method: "get" | "post";
  /** With `{name}` where a part of the path is a parameter. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly query?: {
    readonly name: string;
    readonly required: boolean;
    readonly schema: object;
    readonly about: string;
  };
  readonly request?: readonly [name: string, schema: v.GenericSchema];
  readonly answer: readonly [status: number, name: string, schema: v.GenericSchema];
  /** What a request can look like. */
  readonly example?: object;
  /** Besides those that `failuresOf` adds. */
  readonly failures: readonly (400 | 404 | 422)[];
}

/** What depends on how the server was started. */
export interface Guards {
  readonly needsKey: boolean;
  /** Whether only some names of this machine are answered. */
  readonly checksNames: boolean;
}

/** Gives every status with which an operation can fail. */
export function failuresOf({ failures, request: body }: Operation, { needsKey, checksNames }: Guards): number[] {
  return [
    ...failures,
    ...(body ? [413] : []),
    ...(needsKey ? [401, 429] : []),
    ...(checksNames ? [421] : []),
    503,
  ].sort((a, b) => a - b);
}

const request = ["RuntimeActionRequest", RuntimeActionRequest] as const;
const answer = [200, "RuntimeActionAnswer", RuntimeActionAnswer] as const;
const failures = [400, 404, 422] as const;

export const PUBLIC_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/start",
    id: "start_runtime",
    summary: "Start a runtime",
    description:
      "Makes a container of the image, which is pulled when it is not there, and starts it. Where anything fails, and where " +
      "the caller hangs up, no container is left.",
    request: ["StartRuntimeRequest", StartRuntimeRequest],
    example: {
      image: "python:3.13",
      name: "calc",
      command: ["python", "-m", "http.server"],
      environment: { GREETING: "hello" },
      ports: [{ container_port: 8000 }],
      restart_policy: { Name: "on-failure", MaximumRetryCount: "3" },
    },
    answer: [201, "RuntimeAnswer", RuntimeAnswer],
    failures: [400, 422],
  },
  {
    method: "post",
    path: "/stop",
    id: "stop_runtime",
    summary: "Stop a runtime",
    description: "Asks it to end, and ends it after `timeout` seconds. One that has ended already is no failure.",
    request,
    example: { runtime_id: "calc", timeout: 30 },
    answer,
    failures,
  },
  {
    method: "post",
    path: "/pause",
    id: "pause_runtime",
    summary: "Pause a running runtime",
    description: "Freezes every process in it. `timeout` is ignored.",
    request,
    example: { runtime_id: "calc" },
    answer,
    failures,
  },
  {
    method: "post",
    path: "/resume",
    id: "resume_runtime",
    summary: "Resume a paused runtime",
    description: "Lets its processes go on. `timeout` is ignored.",
    request,
    example: { runtime_id: "calc" },
    answer,
    failures,
  },
  {
    method: "get",
    path: "/list",
    id: "list_runtimes",
    summary: "List runtimes",
    description: "All there are, running or not, newest first. The original has no such call.",
    answer: [200, "RuntimeListAnswer", RuntimeListAnswer],
    failures: [],
  },
];

const hosted = [200, "HostedRuntime", HostedRuntime] as const;
const about = ["HostedActionRequest", HostedActionRequest] as const;

export const HOSTED_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/start",
    id: "start_runtime",
    summary: "Start the runtime of a session",
    description:
      "One that the session has already is answered as it is. Ports 60000, 60001, 12000 and 12001 are published.",
    request: ["HostedStartRequest", HostedStartRequest],
    example: { image: "ghcr.io/openhands/agent-server:latest", session_id: "5f0c2a", working_dir: "/openhands/code" },
    answer: hosted,
    failures: [400, 422],
  },
  {
    method: "post",
    path: "/stop",
    id: "stop_runtime",
    summary: "Stop a runtime and remove it",
    description: "Its files go with it.",
    request: about,
    example: { runtime_id: "runtime-0123456789ab" },
    answer: hosted,
    failures,
  },
  {
    method: "post",
    path: "/pause",
    id: "pause_runtime",
    summary: "Pause a running runtime",
    description: "Freezes every process in it.",
    request: about,
    example: { runtime_id: "runtime-0123456789ab" },
    answer: hosted,
    failures,
  },
  {
    method: "post",
    path: "/resume",
    id: "resume_runtime",
    summary: "Resume a paused runtime",
    description: "Its key stays the one it had.",
    request: about,
    example: { runtime_id: "runtime-0123456789ab" },
    answer: hosted,
    failures,
  },
  {
    method: "get",
    path: "/runtime/{runtime_id}",
    id: "get_runtime",
    summary: "Ask about a runtime",
    description: "By its id.",
    answer: hosted,
    failures: [404],
  },
  {
    method: "get",
    path: "/sessions/{session_id}",
    id: "get_session",
    summary: "Ask about the runtime of a session",
    description: "The newest, where there were several.",
    answer: hosted,
    failures: [404],
  },
  {
    method: "get",
    path: "/sessions/batch",
    id: "get_sessions",
    summary: "Ask about the runtimes of several sessions",
    description: "`ids` is repeated; sessions without a runtime are left out.",
    query: {
      name: "ids",
      required: false,
      schema: { type: "array", items: { type: "string" }, maxItems: 1000 },
      about: "Sessions; what comes after a thousand is not looked at.",
    },
    answer: [200, "HostedRuntimes", HostedRuntimes],
    failures: [],
  },
  {
    method: "get",
    path: "/list",
    id: "list_runtimes",
    summary: "List runtimes",
    description: "Those that run or are paused.",
    answer: [200, "HostedListAnswer", HostedListAnswer],
    failures: [],
  },
  {
    method: "get",
    path: "/image_exists",
    id: "image_exists",
    summary: "Ask whether the engine has an image",
    description: "No registry is asked.",
    query: {
      name: "image",
      required: true,
      schema: { type: "string", minLength: 1 },
      about: "A reference to an image.",
    },
    answer: [200, "ImageExistsAnswer", ImageExistsAnswer],
    failures: [422],
  },
  {
    method: "get",
    path: "/registry_prefix",
    id: "registry_prefix",
    summary: "What images of this engine's own are called",
    description: "Always `localhost`: nothing is pushed anywhere.",
    answer: [200, "RegistryPrefixAnswer", RegistryPrefixAnswer],
    failures: [],
  },
];
