// The routes of the hosted contract, over the same runtimes. What it promises of a cluster is told as far as it is true of one
// container engine; docs/runtime-api.md has the rest.
import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import {
  AGENT_PORT,
  HOSTED_PORTS,
  HostedActionRequest,
  HostedStartRequest,
  WORK_PORTS,
  type HostedRuntime,
} from "../../protocol/hosted-runtime-api.ts";
import { RUNTIME_LABEL } from "../../protocol/runtime-api.ts";
import type { RuntimeApiDeps, RuntimeApiEnv } from "./deps.ts";
import type { ContainerRequest, EngineContainer } from "./engine.ts";
import { environmentOf, newRuntimeId, portsOf, wordsOf, type RequestPolicy } from "./request.ts";
import { NoSuchRuntime, RuntimeRefused, type Runtimes } from "./runtimes.ts";
import { createTurns } from "./turns.ts";
import { bodyOf, InvalidRequest } from "./validation.ts";

const SESSION_LABEL = "runcode.session";
/** The variable from which the older agent servers take the key, and the newer ones. The container is where it is kept. */
const KEY_VARIABLES = ["SESSION_API_KEY", "OH_SESSION_API_KEYS_0"] as const;
const OCI_RUNTIMES = { "sysbox-runc": "sysbox-runc", gvisor: "runsc" } as const;
const ALIVE = ["running", "paused", "restarting"];

export function hostedRoutes({ policy, publishedAt }: RuntimeApiDeps, runtimes: Runtimes): Hono<RuntimeApiEnv> {
  const app = new Hono<RuntimeApiEnv>();
  const view = (container: EngineContainer): HostedRuntime => hostedView(container, publishedAt);
  const ofSession = async (id: string): Promise<EngineContainer | null> =>
    (await runtimes.list(SESSION_LABEL, id))[0] ?? null;
  /** By its whole id: what is stopped here is gone, so the beginning of one is not enough. */
  const find = async (id: string): Promise<EngineContainer> => {
    const found = await runtimes.find(id);
    if (![found.name, found.id].includes(id) || !Object.hasOwn(found.labels, SESSION_LABEL))
      throw new NoSuchRuntime(id);
    return found;
  };
  const startsAgain = new Set(["created", "exited"]);
  const start = async (request: HostedStartRequest, signal: AbortSignal): Promise<HostedRuntime> => {
    const there = await ofSession(request.session_id);
    // A session has one runtime: asking again is asking for the same, with its files.
    if (there && ALIVE.includes(there.status)) return view(there);
    if (there && startsAgain.has(there.status)) return view(await runtimes.startAgain(there));
    if (there) await runtimes.remove(there);
    const made = await runtimes.start(async () => hostedContainer(request, policy), signal);
    if (view(made).url !== "" || !ALIVE.includes(made.status)) return view(made);
    await runtimes.remove(made);
    throw new RuntimeRefused("Unable to start runtime: the engine has no network on which to publish its ports");
  };
  const sessions = createTurns();
  app.post("/start", async (c) => {
    const request = await bodyOf(c.req, HostedStartRequest);
    const { signal } = c.req.raw;
    // One after another: the next finds what this one made, and makes it where this one failed or its caller hung up.
    const started = await sessions.alone(request.session_id, async () => {
      signal.throwIfAborted();
      return await start(request, signal);
    });
    return c.json(started);
  });
  app.post("/stop", async (c) => {
    const { runtime_id } = await bodyOf(c.req, HostedActionRequest);
    const container = await find(runtime_id);
    await runtimes.stop(container.id);
    await runtimes.remove(container);
    return c.json({ ...view(container), status: "stopped", pod_status: "not found", url: "", work_hosts: {} });
  });
  for (const verb of ["pause", "resume"] as const) {
    app.post(`/${verb}`, async (c) => {
      const { runtime_id } = await bodyOf(c.req, HostedActionRequest);
      const { after } = await runtimes[verb]((await find(runtime_id)).id);
      if (!after) throw new NoSuchRuntime(runtime_id);
      return c.json(view(after));
    });
  }
  app.get("/runtime/:id", async (c) => c.json(view(await find(c.req.param("id")))));
  app.get("/sessions/batch", async (c) => {
    const found = await Promise.all((c.req.queries("ids") ?? []).slice(0, 1000).map(ofSession));
    return c.json(found.flatMap((container) => (container ? [view(container)] : [])));
  });
  app.get("/sessions/:id", async (c) => {
    const container = await ofSession(c.req.param("id"));
    if (!container) throw new NoSuchRuntime(c.req.param("id"));
    return c.json(view(container));
  });
  app.get("/list", async (c) => {
    const all = await runtimes.list(SESSION_LABEL);
    return c.json({ runtimes: all.filter(({ status }) => ALIVE.includes(status)).map(view) });
  });
  app.get("/image_exists", async (c) => {
    const image = c.req.query("image") ?? "";
    if (image === "") {
      throw new InvalidRequest([{ type: "missing", loc: ["query", "image"], msg: "Field required", input: null }]);
    }
    return c.json({ exists: await runtimes.hasImage(image) });
  });
  // What an engine calls an image that comes from no registry.
  app.get("/registry_prefix", (c) => c.json({ registry_prefix: "localhost" }));
  return app;
}

function hostedContainer(request: HostedStartRequest, policy: RequestPolicy): ContainerRequest {
  const { image, session_id, working_dir, run_as_user, run_as_group, runtime_class } = request;
  const name = newRuntimeId();
  const key = randomBytes(32).toString("hex");
  return {
    name,
    image,
    ...(request.command == null ? {} : { command: wordsOf(request.command) }),
    ...(working_dir == null ? {} : { workingDir: working_dir }),
    ...(run_as_user == null
      ? {}
      : { user: run_as_group == null ? `${run_as_user}` : `${run_as_user}:${run_as_group}` }),
    environment: [
      ...environmentOf(request.environment ?? {}),
      ...KEY_VARIABLES.map((variable) => `${variable}=${key}`),
    ],
    labels: { [RUNTIME_LABEL]: name, [SESSION_LABEL]: session_id, ...policy.ownLabels },
    ports: portsOf(
      HOSTED_PORTS.map((port) => ({ container_port: port, protocol: "tcp" as const })),
      policy.publishOn,
    ),
    mounts: [],
    autoRemove: false,
    ...(runtime_class == null ? {} : { runtime: OCI_RUNTIMES[runtime_class] }),
  };
}

function hostedView(container: EngineContainer, publishedAt: string): HostedRuntime {
  const [status, podStatus] = statusOf(container);
  const at = (port: number): string | null => {
    const published = container.ports[`${port}/tcp`]?.[0]?.HostPort;
    return published ? `${publishedAt}:${published}` : null;
  };
  const key = [...container.environment].reverse().find((line) => line.startsWith(`${KEY_VARIABLES[0]}=`));
  const hosts = WORK_PORTS.flatMap((port) => {
    const host = at(port);
    return host === null ? [] : [[host, port] as const];
  });
  return {
    runtime_id: container.name,
    session_id: container.labels[SESSION_LABEL] ?? "",
    image: container.image,
    status,
    pod_status: podStatus,
    url: at(AGENT_PORT) ?? "",
    session_api_key: key?.slice(KEY_VARIABLES[0].length + 1) ?? "",
    work_hosts: Object.fromEntries(hosts),
    restart_count: container.restarts,
  };
}

function statusOf({ status, exitCode }: EngineContainer): readonly [status: string, podStatus: string] {
  switch (status) {
    case "running":
      return ["running", "ready"];
    case "paused":
      return ["paused", "paused"];
    case "created":
      return ["starting", "pending"];
    case "restarting":
      return ["starting", "crashloopbackoff"];
    case "exited":
      return exitCode === 0 ? ["stopped", "not found"] : ["error", "failed"];
    default:
      return ["stopped", "not found"];
  }
}
