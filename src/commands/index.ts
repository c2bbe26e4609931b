// The commands, one file each. This table is all that the program knows of them until one is named.
import type { Registry } from "../cli/registry.ts";
import type { Context } from "../context.ts";

export const COMMANDS: Registry<Context> = {
  doctor: { load: () => import("./doctor.ts") },
  "install-path": { load: () => import("./install-path.ts") },
  completion: { load: () => import("./completion.ts") },
  "config-ssh": { load: () => import("./config-ssh.ts") },
  "port-forward": { load: () => import("./port-forward.ts") },
  forward: { load: () => import("./port-forward.ts"), aliasOf: "port-forward", hidden: true },
  "install-statusline": { load: () => import("./install-statusline.ts") },
  statusline: { load: () => import("./statusline.ts") },
  login: { load: () => import("./login.ts") },
  logout: { load: () => import("./logout.ts") },
  list: { load: () => import("./list.ts") },
  create: { load: () => import("./create.ts") },
  delete: { load: () => import("./delete.ts") },
  start: { load: () => import("./start.ts") },
  stop: { load: () => import("./stop.ts") },
  open: { load: () => import("./open.ts") },
  current: { load: () => import("./current.ts") },
  status: { load: () => import("./status.ts") },
  disconnect: { load: () => import("./disconnect.ts") },
  clean: { load: () => import("./clean.ts") },
  connect: { load: () => import("./connect.ts") },
  put: { load: () => import("./put.ts") },
  get: { load: () => import("./get.ts") },
  write: { load: () => import("./write.ts") },
  exec: { load: () => import("./exec.ts") },
  ssh: { load: () => import("./ssh.ts") },
  run: { load: () => import("./ssh.ts"), hidden: true, aliasOf: "ssh" },
  shell: { load: () => import("./ssh.ts"), hidden: true, aliasOf: "ssh" },
  context: { load: () => import("./context.ts") },
  mcp: { load: () => import("./mcp.ts") },
  proxy: { load: () => import("./proxy.ts"), hidden: true },
  schema: { load: () => import("./schema.ts") },
  upgrade: { load: () => import("./upgrade.ts") },
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
  ["Editors and agents", ["mcp", "config-ssh", "install-statusline", "statusline"]],
  ["Maintenance", ["doctor", "install-path", "completion", "clean", "schema", "upgrade"]],
  ["Self-hosting", ["serve", "serve token"]],
];
