// The runtime API: containers started, paused, resumed and stopped over HTTP, by the public contract of the OpenHands runtime
// server or, when asked for, by that of its hosted service. An application of its own on a listener of its own: what it is
// asked is anything that a container engine does, so it shares no route, cookie or token with the control plane. It is a
// function of what it needs, and is tested without a socket. What differs from the original on purpose: docs/runtime-api.md.
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { methodNotAllowed } from "hono/method-not-allowed";
import { MAX_BODY_BYTES } from "../../protocol/api.ts";
import type { RuntimeApiDeps, RuntimeApiEnv } from "./deps.ts";
import { DOCS_POLICY, docsPage } from "./docs.ts";
import { headers } from "../http/guard.ts";
import { answerError, checkName, logRequests, receiveAll, refuse, requireKey } from "./guard.ts";
import { openApi } from "./openapi.ts";
import { hostedRoutes } from "./hosted.ts";
import { HOSTED_OPERATIONS, PUBLIC_OPERATIONS } from "./operations.ts";
import { publicRoutes } from "./public.ts";
import { createRuntimes } from "./runtimes.ts";
import { itsOwn, notAnothers } from "./whose.ts";

export type { RuntimeApiDeps } from "./deps.ts";
export interface RuntimeApi {
  readonly app: Hono<RuntimeApiEnv>;
  /** Gives up what is being started, and resolves when nothing of it is left. */
  close(): Promise<void>;
}

const DESCRIPTION = "Starts, pauses, resumes and stops containers on this server's engine.";

/** Takes what the routes need; gives the whole application. */
export function createRuntimeApi(deps: RuntimeApiDeps): RuntimeApi {
  const app = new Hono<RuntimeApiEnv>();
  const hosted = deps.flavor === "hosted";
  const whose = (hosted ? itsOwn : notAnothers)(deps.policy.ownLabels);
  const runtimes = createRuntimes(deps.engine, deps.listener, deps.leftovers, whose);
  const operations = hosted ? HOSTED_OPERATIONS : PUBLIC_OPERATIONS;
  const guards = { needsKey: deps.key !== null, checksNames: deps.hosts !== null };
  const document = openApi({
    title: "runcode runtime API",
    description: `${DESCRIPTION} Compatible with ${hosted ? "the hosted OpenHands runtime API" : "the OpenHands runtime server"}.`,
    version: deps.version,
    operations,
    ...guards,
  });

  app.use(logRequests(deps));
  app.use(headers());
  app.use(checkName(deps.hosts));
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: (c) => refuse(c, 413, "the body is larger than 1 MiB") }));
  app.use(requireKey(deps));
  app.use(receiveAll());
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header("Allow", methods.join(", "));
        return refuse(c, 405, "Method Not Allowed");
      },
    }),
  );
  app.get("/", (c) => c.redirect("/docs", 307));
  app.get("/openapi.json", (c) => c.json(document));
  app.get("/docs", async (c) => {
    c.header("Content-Security-Policy", DOCS_POLICY);
    return c.html(await docsPage(document, operations, guards));
  });
  app.route("/", hosted ? hostedRoutes(deps, runtimes) : publicRoutes(deps, runtimes));
  app.notFound((c) => refuse(c, 404, "Not Found"));
  app.onError(answerError(deps.log));
  return { app, close: () => runtimes.close() };
}
