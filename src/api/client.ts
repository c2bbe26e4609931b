// The control plane over HTTP: each call is a path, a schema, and what its failure is called. How bytes travel is in http.ts.
import * as v from "valibot";
import type { Clock } from "../platform/clock.ts";
import { API_PREFIX, ActionAnswer, MeAnswer, WireBundle, WorkspaceAnswer, WorkspacesAnswer } from "../protocol/api.ts";
import { RuncodeError, type ErrorCode } from "../protocol/errors.ts";
import { toWorkspace, WireWorkspace, type Workspace } from "../protocol/workspace.ts";
import type { ControlPlane } from "./control-plane.ts";
import { exchange, serverText, type HttpAnswer, type HttpRequest } from "./http.ts";

export interface ControlPlaneOptions {
  readonly apiBase: string;
  readonly token: string;
  /** The body field `client`. */
  readonly client: string;
  readonly version: string;
  readonly clock: Clock;
  /** In milliseconds; 20 s unless a test says otherwise. */
  readonly timeoutMs?: number;
  /** Told of what was ignored. */
  readonly debug?: (line: string) => void;
}

const SshSessionAnswer = v.object({
  bundle: v.optional(v.unknown()),
  error: v.optional(v.unknown()),
  message: v.optional(v.unknown()),
});

/** Gives the client for one control plane and one token. Nothing is sent yet. Throws `unauthorized` for a token that no header can hold. */
export function controlPlane(options: ControlPlaneOptions): ControlPlane {
  const { apiBase, client } = options;
  const token = checkToken(options.token);
  const deps = {
    clock: options.clock,
    userAgent: `runcode/${options.version}`,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  };
  const call = (
    method: HttpRequest["method"],
    path: string,
    rest: { body?: unknown; idempotent?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<HttpAnswer> =>
    exchange(
      {
        method,
        url: new URL(`${apiBase}${API_PREFIX}${path}`),
        token,
        idempotent: rest.idempotent ?? method === "GET",
        signal: rest.signal,
        ...(rest.body === undefined ? {} : { body: rest.body }),
      },
      deps,
    );

  const listOf = async (category: "active" | "shared", signal?: AbortSignal): Promise<Workspace[]> => {
    const { document } = await call("GET", `/workspaces?category=${category}`, { signal });
    return parse(WorkspacesAnswer, document, "the list of workspaces").data.workspaces.flatMap((entry) => {
      const parsed = v.safeParse(WireWorkspace, entry);
      if (parsed.success) return [toWorkspace(parsed.output, category === "shared")];
      // One that is malformed must not hide the others.
      options.debug?.(`ignored a malformed workspace in category ${category}: ${issue(parsed.issues)}`);
      return [];
    });
  };
  const act = async (
    id: number,
    action: "start" | "stop",
    code: ErrorCode,
    { signal, more = "" }: { signal?: AbortSignal | undefined; more?: string },
  ): Promise<void> => {
    const { document } = await call("GET", `/workspace/${action}?workspace_id=${id}${more}`, { signal });
    const answer = parse(ActionAnswer, document ?? {}, `the answer to ${action}`);
    if (answer.error) throw new RuncodeError(code, serverText(answer.message) || `the workspace did not ${action}`);
  };

  return {
    apiBase,
    async list(signal) {
      const [own, shared] = await Promise.all([listOf("active", signal), listOf("shared", signal)]);
      const seen = new Set<number>();
      return [...own, ...shared].filter(({ id }) => !seen.has(id) && seen.add(id));
    },
    async get(id, signal) {
      const { document } = await call("GET", `/workspace/${id}`, { signal });
      return toWorkspace(parse(WorkspaceAnswer, document, "the workspace").data.workspace, false);
    },
    async create(request, signal) {
      const { document } = await call("POST", "/workspaces", { body: request, signal });
      return toWorkspace(parse(WorkspaceAnswer, document, "the new workspace").data.workspace, false);
    },
    async delete(id, { force }, signal) {
      await call("DELETE", `/workspace/${id}${force ? "?force=true" : ""}`, { signal });
    },
    start: (id, signal, { noCommand = false } = {}) =>
      act(id, "start", "start_failed", { signal, more: noCommand ? "&command=false" : "" }),
    stop: (id, signal) => act(id, "stop", "stop_failed", { signal }),
    async mint(id, { publicKey, ttl }, signal) {
      const { document, serverTime } = await call("POST", `/workspace/${id}/ssh-session`, {
        body: { public_key: publicKey, ttl, client },
        signal,
      });
      const answer = parse(SshSessionAnswer, document, "the answer to a new session");
      if (answer.error !== undefined && answer.error !== false && answer.error !== null) {
        const said = [answer.message, answer.error].find((text) => typeof text === "string");
        throw new RuncodeError(
          "http_error",
          serverText(said ?? "") || "the control plane refused the session and gave no reason",
        );
      }
      const bundle = v.safeParse(WireBundle, answer.bundle);
      if (!bundle.success)
        throw new RuncodeError("unsafe_bundle", `the session's bundle is malformed: ${issue(bundle.issues)}`, {
          hint: "nothing was written; tell whoever runs the control plane",
        });
      return { bundle: bundle.output, serverTime };
    },
    async me(signal) {
      const { document } = await call("GET", "/me", { signal });
      const { email, name, tier } = parse(MeAnswer, document, "the account").data;
      return { email: serverText(email), name: name ?? null, tier: tier ?? null };
    },
  };
}

/** Takes a token from wherever; gives it, or throws RuncodeError `unauthorized` (never showing it) when no header can hold it. */
function checkToken(token: string): string {
  if (/^[\u0021-\u007e]{1,4096}$/.test(token)) return token;
  throw new RuncodeError("unauthorized", "the token is not one: it is empty, too long, or holds spaces", {
    hint: "run runcode login, or mend RUNCODE_TOKEN",
  });
}

function parse<S extends v.GenericSchema>(schema: S, document: unknown, what: string): v.InferOutput<S> {
  // For valibot a list is an object whose fields are all missing.
  const parsed = v.safeParse(schema, Array.isArray(document) ? null : document);
  if (parsed.success) return parsed.output;
  throw new RuncodeError("http_error", `${what} is malformed: ${issue(parsed.issues)}`, {
    hint: "check the API base; runcode doctor tests it",
  });
}

/** Where a document is wrong. It names the place and the kinds, never the value: that may be a secret or a terminal's poison. */
function issue(issues: readonly v.BaseIssue<unknown>[]): string {
  const first = issues[0];
  const where = first?.path?.map(({ key }) => String(key)).join(".") ?? "";
  const kind = first?.kind === "schema" ? `expected ${first.expected ?? "another type"}` : "its value is not allowed";
  return serverText(where === "" ? kind : `${where}: ${kind}`);
}
