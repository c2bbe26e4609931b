// The control plane over HTTP: thin routes that parse a request, ask src/server/workspaces, and write the answer that the
// protocol page promises. The app is a function of what it needs and is tested without a socket. Two ways of being known
// lead in and never mix: API routes take `Authorization: Token …` only, pages take the browser's cookie only.
import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { API_PREFIX } from "../../protocol/api.ts";
import { apiRoutes } from "./api.ts";
import type { App, AppDeps, AppEnv, RouteDeps } from "./deps.ts";
import { assetRoutes } from "./assets.ts";
import { answerError, errorAnswer } from "./errors.ts";
import { boundBody, checkHost, logRequests, securityHeaders } from "./guard.ts";
import { loginRoutes } from "./login.ts";
import { pageRoutes } from "./pages.ts";
import { createTerminals } from "./terminal.ts";
import { createThrottle } from "./throttle.ts";

export type { App, AppDeps, AppEnv, HostPolicy } from "./deps.ts";
export { createSockets, type SocketEvents, type Sockets } from "./websocket.ts";

/** Takes what the routes need; gives the whole application. */
export function createApp(deps: AppDeps): App {
  const app: App = new Hono<AppEnv>();
  const routeDeps: RouteDeps = { ...deps, throttle: createThrottle(deps.clock) };

  app.use(logRequests(deps));
  app.use(securityHeaders(deps));
  app.use(checkHost(deps.hosts));
  app.use(boundBody());
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header("Allow", methods.join(", "));
        return errorAnswer(c, 405, `this address takes ${methods.join(", ")}`);
      },
    }),
  );

  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", async (c) => {
    await deps.ready();
    return c.json({ ok: true });
  });
  app.route(API_PREFIX, apiRoutes(routeDeps));
  app.route("/", loginRoutes(routeDeps));
  const terminals = createTerminals(routeDeps);
  app.route("/", terminals.routes);
  app.route("/", pageRoutes(routeDeps, terminals));
  app.route("/", assetRoutes());

  app.notFound((c) => errorAnswer(c, 404, "there is nothing at this address"));
  app.onError(answerError(deps.log));
  return app;
}
