// The routes of control-plane.md under /api/rc.
import { Hono, type Context } from "hono";
import * as v from "valibot";
import { CreateWorkspaceRequest, SshSessionRequest } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { SSH_PROVIDER, type WorkspaceState } from "../../protocol/workspace.ts";
import type { WorkspaceView } from "../workspaces/lifecycle.ts";
import { errorAnswer } from "./errors.ts";
import { requireToken } from "./guard.ts";
import type { App, AppEnv, RouteDeps } from "./deps.ts";

/**
 * start and stop answer with the outcome when it comes this soon, else with what has begun. Well under a client's 20 s. A stop
 * is waited for longer than a workspace's command may take to end: whoever hears that it went well believes that it is over.
 */
const OUTCOME_MS = { start: 5_000, stop: 15_000 };

/** Takes the state of things; gives the application for everything under the API prefix. */
export function apiRoutes(deps: RouteDeps): App {
  const { plane } = deps;
  const api: App = new Hono<AppEnv>();
  api.use(requireToken(deps));

  api.get("/me", (c) => {
    const { email, name, tier } = c.get("account");
    return c.json({ data: { email, name, tier } });
  });

  api.get("/workspaces", (c) => {
    const category = query(c, "category") ?? "active";
    if (category !== "active" && category !== "shared") {
      throw new RuncodeError("bad_request", "category must be active or shared");
    }
    // Nothing is shared on this server yet: every workspace is its owner's.
    const workspaces = category === "active" ? plane.workspaces.list(c.get("account")) : [];
    return c.json({ data: { workspaces: workspaces.map(wire) } });
  });

  api.post("/workspaces", async (c) => {
    const request = parse(CreateWorkspaceRequest, await json(c));
    const made = await plane.workspaces.create(c.get("account"), request);
    return c.json({ data: { workspace: wire(made) } }, 201);
  });

  // They change state and are GETs, because public clients call them so. The token header keeps them from being
  // triggered by a link or a form; HEAD, which anything may send, is turned away (docs/decisions/016).
  for (const verb of ["start", "stop"] as const) {
    api.get(`/workspace/${verb}`, async (c) => {
      if (c.req.method !== "GET") {
        c.header("Allow", "GET");
        return errorAnswer(c, 405, "only GET starts and stops a workspace");
      }
      const account = c.get("account");
      const id = positive(query(c, "workspace_id"), "workspace_id");
      const choice = { withoutCommand: !truth(query(c, "command") ?? "true", "command") };
      const failure = await outcome(deps, plane.workspaces[verb](account, id, choice), OUTCOME_MS[verb]);
      if (failure) return c.json({ error: true, message: failure.message });
      return c.json({ error: false, message: MESSAGES[plane.workspaces.get(account, id).state] });
    });
  }

  api.get("/workspace/:id{[0-9]+}", (c) => {
    const found = plane.workspaces.get(c.get("account"), positive(c.req.param("id"), "id"));
    return c.json({ data: { workspace: wire(found) } });
  });

  api.delete("/workspace/:id{[0-9]+}", async (c) => {
    const force = truth(query(c, "force") ?? "false", "force");
    await plane.workspaces.delete(c.get("account"), positive(c.req.param("id"), "id"), { force });
    return c.body(null, 204);
  });

  api.post("/workspace/:id{[0-9]+}/ssh-session", async (c) => {
    const id = positive(c.req.param("id"), "id");
    const request = parse(SshSessionRequest, await json(c));
    return c.json({ bundle: plane.sessions.mint(c.get("account"), id, request) });
  });

  return api;
}

const MESSAGES: Record<WorkspaceState, string> = {
  stopped: "the workspace is stopped",
  starting: "the workspace is starting",
  running: "the workspace is running",
  stopping: "the workspace is stopping",
  error: "the workspace is in error",
};

/** Waits for the work, but not long. Gives the error that says why it was understood and not carried out, else null. */
async function outcome({ clock }: RouteDeps, work: Promise<void>, patienceMs: number): Promise<RuncodeError | null> {
  const enough = new AbortController();
  const settled = work.then(
    () => null,
    (error: unknown) => {
      if (error instanceof RuncodeError && (error.code === "start_failed" || error.code === "stop_failed"))
        return error;
      throw error;
    },
  );
  // When nobody waits any more the outcome is the workspace's state; it is not an unhandled rejection.
  settled.catch(() => {});
  const late = clock.sleep(patienceMs, enough.signal).catch(() => {});
  try {
    return (await Promise.race([settled, late])) ?? null;
  } finally {
    enough.abort(new Error("settled"));
  }
}

/** A workspace as public clients read it, and our own fields beside theirs. */
function wire(workspace: WorkspaceView): Record<string, unknown> {
  const interim = workspace.state === "starting" || workspace.state === "stopping";
  return {
    id: workspace.id,
    title: workspace.title,
    custom_title: workspace.customTitle,
    provider: SSH_PROVIDER,
    current_state:
      workspace.state === "starting" ? "stopped" : workspace.state === "stopping" ? "running" : workspace.state,
    interim_state: interim ? workspace.state : "",
    web_url: workspace.webUrl,
    image: workspace.image,
    flavor: workspace.flavor,
    driver: workspace.driver,
    isolation: workspace.isolation,
    command: workspace.command,
    environment: workspace.environment,
    labels: workspace.labels,
    problem: workspace.problem,
    progress: workspace.progress,
    created_at: new Date(workspace.createdAt).toISOString(),
  };
}

/** A query parameter that is there once or not at all. */
function query(c: Context<AppEnv>, name: string): string | undefined {
  const values = c.req.queries(name) ?? [];
  if (values.length > 1) throw new RuncodeError("bad_request", `${name} is given more than once`);
  return values[0];
}

function truth(text: string, name: string): boolean {
  if (text !== "true" && text !== "false") throw new RuncodeError("bad_request", `${name} must be true or false`);
  return text === "true";
}

function positive(text: string | undefined, name: string): number {
  const number = /^[0-9]{1,16}$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new RuncodeError("bad_request", `${name} must be a positive whole number`);
  }
  return number;
}

async function json(c: Context<AppEnv>): Promise<unknown> {
  const text = await c.req.text();
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RuncodeError("bad_request", "the body is not JSON");
  }
}

function parse<T>(schema: v.GenericSchema<unknown, T>, body: unknown): T {
  // For valibot a list is an object whose fields are all missing.
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new RuncodeError("bad_request", "the body must be a JSON object");
  }
  const parsed = v.safeParse(schema, body);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw new RuncodeError("bad_request", `${path === null ? "the body" : path}: ${safeMessage(issue)}`);
}

/** valibot repeats what it received, which may be a megabyte or a secret: only what was expected is said. */
function safeMessage(issue: v.BaseIssue<unknown>): string {
  if (issue.type === "strict_object" && issue.expected === "never") return "unknown field";
  // Messages that a schema of ours brings with it are made of what was expected.
  if (["regex", "check", "raw_check"].includes(issue.type) && !issue.message.startsWith("Invalid"))
    return issue.message;
  return issue.expected === null ? "not valid" : `expected ${issue.expected}`;
}
