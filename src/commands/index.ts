// The commands, one file each. This table is all that the program knows of them until one is named.
import type { Registry } from "../cli/registry.ts";
import type { Context } from "../context.ts";

export const COMMANDS: Registry<Context> = {
  "config-ssh": { load: () => import("./config-ssh.ts") },
  "install-statusline": { load: () => import("./install-statusline.ts") },
  statusline: { load: () => import("./statusline.ts") },
  serve: { load: () => import("./serve.ts") },
  "serve token": { load: () => import("./serve-token.ts") },
};

/** In which order help shows them, and under which titles. */
export const GROUPS: readonly (readonly [title: string, names: readonly string[]])[] = [
  ["Account", ["login", "logout"]],
  ["Workspaces", ["list", "create", "connect", "start", "stop", "open", "delete"]],
  ["The attached workspace", ["current", "status", "disconnect"]],
  ["Run", ["exec", "ssh", "context"]],
  ["Files and ports", ["put", "get", "write", "port-forward"]],
  ["Editors and agents", ["config-ssh", "install-statusline", "statusline"]],
  ["Maintenance", ["doctor", "install-path", "completion", "clean"]],
  ["Self-hosting", ["serve", "serve token"]],
];
