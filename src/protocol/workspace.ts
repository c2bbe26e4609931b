// A workspace as both halves speak of it: its states, its names, and whether SSH reaches it.
import * as v from "valibot";

export const WORKSPACE_STATES = ["stopped", "starting", "running", "stopping", "error"] as const;
export type WorkspaceState = (typeof WORKSPACE_STATES)[number];

export { TITLE } from "./constants.ts";

/** What a control plane says of a workspace. Unknown fields are ignored; what is missing gets its neutral value. */
export const WireWorkspace = v.object({
  id: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  title: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]+$/), v.maxLength(255)),
  custom_title: v.optional(v.nullable(v.string())),
  provider: v.optional(v.nullable(v.string())),
  current_state: v.optional(v.nullable(v.string())),
  interim_state: v.optional(v.nullable(v.string())),
  web_url: v.optional(v.nullable(v.string())),
  /** Ours: how the workspace is kept apart from its host (`none`, `namespaces`, `container`), what is wrong with it, and how far a start is. */
  isolation: v.optional(v.nullable(v.string())),
  problem: v.optional(v.nullable(v.string())),
  /** Ours: a person's notes. Something else under that name is somebody else's field. */
  labels: v.fallback(v.optional(v.nullable(v.record(v.string(), v.string()))), null),
  progress: v.optional(v.nullable(v.string())),
});
export type WireWorkspace = v.InferOutput<typeof WireWorkspace>;

/** A workspace inside the client: every field present, `state` already decided. */
export interface Workspace {
  readonly id: number;
  readonly title: string;
  readonly customTitle: string | null;
  /** One of WORKSPACE_STATES, or what the server said; whatever is unknown counts as not running. */
  readonly state: string;
  readonly shared: boolean;
  readonly connectable: boolean;
  readonly webUrl: string | null;
  readonly isolation: string | null;
  readonly problem: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly progress: string | null;
}

/** The provider whose workspaces SSH reaches. Our server sends it for compatibility; nothing shows it. */
export const SSH_PROVIDER = "aws";

/** The single reader of `provider`. */
function isConnectable(workspace: Pick<WireWorkspace, "provider">): boolean {
  return workspace.provider === SSH_PROVIDER;
}

/** Takes a parsed wire workspace; gives the client's own. The interim state wins while there is one. */
export function toWorkspace(wire: WireWorkspace, shared: boolean): Workspace {
  return Object.freeze({
    id: wire.id,
    title: wire.title,
    customTitle: wire.custom_title ?? null,
    state: wire.interim_state || wire.current_state || "unknown",
    shared,
    connectable: isConnectable(wire),
    webUrl: wire.web_url ?? null,
    isolation: wire.isolation ?? null,
    problem: wire.problem ?? null,
    labels: wire.labels ?? {},
    progress: wire.progress ?? null,
  });
}
