// What a session may do, and the few numbers of the protocol that the hot path needs without loading any schema.

export const CAPABILITIES = ["exec", "shell", "sftp", "forward", "agent-forward"] as const;
export type Capability = (typeof CAPABILITIES)[number];

export const DEFAULT_API_BASE = "https://app.runcode.io";
export const DEFAULT_WEB_BASE = "https://runcode.io";
/** How long a session's key lives when nobody asks otherwise, in seconds. */
export const SESSION_TTL_SECONDS = 1800;
/** A cached session is used again only while it has more than this to live, in milliseconds. */
export const SESSION_MARGIN_MS = 90_000;
export const DEFAULT_WORKDIR = "/home/ubuntu/workspace";

/** A title is also the SSH user name of its sessions. The first character may not be `-` or `.`, so that it is never an option or hidden. */
export const TITLE = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/;
