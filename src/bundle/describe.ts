// A session as `connect`, `current` and `status` print it, and a workspace as `list` does: one set of field names.
import type { SessionDocument } from "../protocol/output/session.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { Attachment, Session } from "./session.ts";

/** Gives the object for `--json`. Nothing secret is in it. */
export function describeSession(session: Session): SessionDocument {
  return {
    workspace_id: session.workspaceId,
    title: session.title,
    alias: session.alias,
    config: session.config,
    host: session.host,
    port: session.port,
    user: session.user,
    web_url: session.webUrl,
    workdir: session.workdir,
    expires_at: new Date(session.expiresAt).toISOString(),
    api_base: session.apiBase,
  };
}

/** The attachment, with its session's fields where there is one. */
export function describeAttachment(attachment: Attachment, session: Session | null) {
  return {
    ...(session && describeSession(session)),
    workspace_id: attachment.workspaceId,
    title: attachment.title,
    api_base: attachment.apiBase,
    cwd: attachment.cwd,
    attached_at: new Date(attachment.attachedAt).toISOString(),
  };
}

export function describeWorkspace(workspace: Workspace) {
  const { id, title, customTitle, state, shared, connectable, isolation, problem, labels } = workspace;
  return {
    ...{ id, title, custom_title: customTitle, state, shared, connectable },
    ...(isolation ? { isolation } : {}),
    ...(problem ? { problem } : {}),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
  };
}
