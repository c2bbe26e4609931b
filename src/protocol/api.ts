// Every shape that crosses the control plane, once, for the client that reads it and the server that writes it.
import * as v from "valibot";
import { SESSION_TTL_SECONDS } from "./constants.ts";
import { WorkspaceCommand, WorkspaceEnvironment, WorkspaceLabels } from "./workspace-fields.ts";
import { TITLE, WireWorkspace } from "./workspace.ts";

export * from "./constants.ts";
export const API_PREFIX = "/api/rc";
export const REQUEST_TIMEOUT_MS = 20_000;
export const MAX_BODY_BYTES = 1024 * 1024;

export const WorkspacesAnswer = v.object({ data: v.object({ workspaces: v.array(v.unknown()) }) });
export const WorkspaceAnswer = v.object({ data: v.object({ workspace: WireWorkspace }) });
/** start and stop: `error` is true where the request was understood and not carried out. */
export const ActionAnswer = v.object({ error: v.optional(v.boolean(), false), message: v.optional(v.string(), "") });
export const MeAnswer = v.object({
  data: v.object({
    email: v.string(),
    name: v.optional(v.nullable(v.string())),
    tier: v.optional(v.nullable(v.string())),
  }),
});

export const CreateWorkspaceRequest = v.strictObject({
  title: v.optional(
    v.pipe(v.string(), v.regex(TITLE, "a title has letters, digits, dots, dashes and underscores, at most 63")),
  ),
  custom_title: v.optional(v.pipe(v.string(), v.maxLength(200))),
  image: v.optional(v.pipe(v.string(), v.maxLength(500))),
  flavor: v.optional(v.pipe(v.string(), v.maxLength(63))),
  driver: v.optional(v.pipe(v.string(), v.maxLength(63))),
  command: v.optional(WorkspaceCommand),
  environment: v.optional(WorkspaceEnvironment),
  labels: v.optional(WorkspaceLabels),
});
export type CreateWorkspaceRequest = v.InferOutput<typeof CreateWorkspaceRequest>;

export const SshSessionRequest = v.object({
  public_key: v.pipe(v.string(), v.maxLength(2000), v.regex(/^ssh-ed25519 [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?$/)),
  ttl: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), SESSION_TTL_SECONDS),
  client: v.optional(v.pipe(v.string(), v.maxLength(100)), "unknown"),
});
export type SshSessionRequest = v.InferOutput<typeof SshSessionRequest>;

/** The bundle as it comes over the wire: only its shape. What it may say is decided in src/bundle, field by field. */
export const WireBundle = v.object({
  host: v.string(),
  port: v.number(),
  user: v.string(),
  known_hosts: v.string(),
  expires_at: v.string(),
  workdir: v.optional(v.nullable(v.string())),
  web_url: v.optional(v.nullable(v.string())),
  ssh_config: v.optional(v.nullable(v.string())),
  certificate: v.optional(v.nullable(v.string())),
  capabilities: v.optional(v.nullable(v.array(v.string()))),
  next_known_hosts: v.optional(v.nullable(v.string())),
});
export type WireBundle = v.InferOutput<typeof WireBundle>;

/** HTTP status → error code; any other non-2xx is `http_error`. */
export const STATUS_CODES = {
  400: "bad_request",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  429: "rate_limited",
  503: "unavailable",
} as const;
