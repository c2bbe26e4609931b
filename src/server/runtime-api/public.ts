// The routes of the public contract, and `/list`, which is ours.
import { Hono } from "hono";
import { RuntimeActionRequest, StartRuntimeRequest } from "../../protocol/runtime-api.ts";
import type { RuntimeApiDeps, RuntimeApiEnv } from "./deps.ts";
import { containerFor } from "./request.ts";
import type { Runtimes } from "./runtimes.ts";
import { told } from "./told.ts";
import { bodyOf } from "./validation.ts";

export function publicRoutes({ policy }: RuntimeApiDeps, runtimes: Runtimes): Hono<RuntimeApiEnv> {
  const app = new Hono<RuntimeApiEnv>();
  app.post("/start", async (c) => {
    const request = await bodyOf(c.req, StartRuntimeRequest);
    const container = await runtimes.start(() => containerFor(request, policy), c.req.raw.signal);
    return c.json(told(container, container.name), 201);
  });
  for (const verb of ["stop", "pause", "resume"] as const) {
    app.post(`/${verb}`, async (c) => c.json(await runtimes[verb](await bodyOf(c.req, RuntimeActionRequest))));
  }
  app.get("/list", async (c) => {
    const containers = await runtimes.list();
    return c.json({ runtimes: containers.map((container) => told(container, container.name)) });
  });
  return app;
}
