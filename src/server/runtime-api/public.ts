// The routes of the public contract, and `/list`, which is ours.
import { Hono } from "hono";
import { RuntimeActionRequest, StartRuntimeRequest } from "../../protocol/runtime-api.ts";
import type { RuntimeApiDeps, RuntimeApiEnv } from "./deps.ts";
import { containerFor } from "./request.ts";
import type { Runtimes } from "./runtimes.ts";
import { told, toldAction } from "./told.ts";
import { bodyOf } from "./validation.ts";

export function publicRoutes({ policy }: RuntimeApiDeps, runtimes: Runtimes): Hono<RuntimeApiEnv> {
  const app = new Hono<RuntimeApiEnv>();
  app.post("/start", async (c) => {
    const request = await bodyOf(c.req, StartRuntimeRequest);
    const container = await runtimes.start(() => containerFor(request, policy), c.req.raw.signal);
    return c.json(told(container, container.name), 201);
  });
  app.post("/stop", async (c) => {
    const { runtime_id, timeout } = await bodyOf(c.req, RuntimeActionRequest);
    return c.json(toldAction(runtime_id, "stopped", await runtimes.stop(runtime_id, timeout ?? undefined)));
  });
  for (const [verb, said] of [
    ["pause", "paused"],
    ["resume", "resumed"],
  ] as const) {
    app.post(`/${verb}`, async (c) => {
      const { runtime_id } = await bodyOf(c.req, RuntimeActionRequest);
      return c.json(toldAction(runtime_id, said, await runtimes[verb](runtime_id)));
    });
  }
  app.get("/list", async (c) => {
    const containers = await runtimes.list();
    return c.json({ runtimes: containers.map((container) => told(container, container.name)) });
  });
  return app;
}
