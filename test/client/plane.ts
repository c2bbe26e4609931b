// A control plane that answers as it is told, over real HTTP on a free loopback port; and an ssh that only leaves a mark. What the
// client does with an honest one is tested against the real server; this one is for those that lie.
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { writeProgram } from "../harness/index.ts";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly body: string;
}

export type Answer = (request: Request, body: string) => Response | Promise<Response>;

export interface LyingPlane {
  readonly base: string;
  readonly seen: Seen[];
  /** What the route answers from now on: `list`, `mint`, `me`, `start`, `stop`, `get`, or `any` for everything. */
  answers: Partial<Record<"list" | "shared" | "mint" | "me" | "start" | "stop" | "get" | "any", Answer>>;
  close(): Promise<void>;
}

export const HOST_KEY = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32]), randomBytes(32)]).toString("base64")}`;

/** A bundle that is good, to be spoiled one field at a time. Port 1 is one where nobody answers. */
export function goodBundle(): Record<string, unknown> {
  return {
    host: "127.0.0.1",
    port: 1,
    user: "demo",
    known_hosts: `[127.0.0.1]:1 ${HOST_KEY}\n`,
    expires_at: new Date(Date.now() + 1_800_000).toISOString(),
  };
}

export const WORKSPACE = { id: 7, title: "demo", custom_title: null, provider: "aws", current_state: "running" };

/** Starts one; it behaves well until `answers` says otherwise. */
export function lyingPlane(): LyingPlane {
  const seen: Seen[] = [];
  const plane: { answers: LyingPlane["answers"] } = { answers: {} };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = await request.text();
      const url = new URL(request.url);
      seen.push({
        method: request.method,
        path: url.pathname + url.search,
        authorization: request.headers.get("authorization"),
        body,
      });
      const { answers } = plane;
      const route = routeOf(request.method, url);
      const answer = answers.any ?? answers[route];
      if (answer) return answer(request, body);
      switch (route) {
        case "list":
          return Response.json({ data: { workspaces: [WORKSPACE] } });
        case "shared":
          return Response.json({ data: { workspaces: [] } });
        case "mint":
          return Response.json({ bundle: goodBundle() });
        case "me":
          return Response.json({ data: { email: "me@example.org" } });
        case "get":
          return Response.json({ data: { workspace: WORKSPACE } });
        case "start":
        case "stop":
          return Response.json({ error: false, message: "" });
      }
    },
  });
  return Object.assign(plane, {
    base: `http://127.0.0.1:${server.port}`,
    seen,
    close: () => server.stop(true),
  });
}

function routeOf(method: string, url: URL): "list" | "shared" | "mint" | "me" | "start" | "stop" | "get" {
  if (method === "POST") return "mint";
  if (url.pathname.endsWith("/workspaces")) return url.searchParams.get("category") === "shared" ? "shared" : "list";
  if (url.pathname.endsWith("/me")) return "me";
  if (url.pathname.endsWith("/start")) return "start";
  return url.pathname.endsWith("/stop") ? "stop" : "get";
}

/** Puts an `ssh` first on the PATH that writes down that it was called and does nothing. Gives the PATH and how to ask. */
export async function markingSsh(dir: string): Promise<{ path: string; calls(): Promise<string> }> {
  const bin = path.join(dir, "marking-bin");
  const log = path.join(dir, "ssh-was-called");
  await mkdir(bin, { recursive: true });
  for (const name of ["ssh", "scp", "sftp", "ssh-keygen"]) {
    await writeProgram(path.join(bin, name), `#!/bin/sh\necho "$0 $*" >> "${log}"\nexit 255\n`);
  }
  return {
    path: `${bin}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
    calls: () => readFile(log, "utf8").catch(() => ""),
  };
}
