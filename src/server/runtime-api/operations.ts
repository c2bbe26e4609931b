// What can be asked of the runtime API, as a table: the OpenAPI document and the docs page are written from it.
import type * as v from "valibot";
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
  readonly query?: string;
  readonly request?: readonly [name: string, schema: v.GenericSchema];
  readonly answer: readonly [status: number, name: string, schema: v.GenericSchema];
  /** Besides 503, and 401 where a key is needed. */
  readonly failures: readonly (400 | 404 | 422)[];
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
