// Styles and scripts of the pages.
import { Hono } from "hono";
import { ASSETS_PATH, loadAssets } from "../web/assets.ts";
import { errorAnswer } from "./errors.ts";
import type { App, AppEnv } from "./deps.ts";

/** Gives `GET /assets/<file>`. What is at an address never changes, so a browser need not ask twice. */
export function assetRoutes(): App {
  const app: App = new Hono<AppEnv>();
  app.get(`${ASSETS_PATH}/:file`, async (c) => {
    const asset = (await loadAssets()).find(c.req.param("file"));
    if (!asset) return errorAnswer(c, 404, "there is nothing at this address");
    c.header("Content-Type", asset.type);
    c.header("Cache-Control", "public, max-age=31536000, immutable");
    c.header("Vary", "Accept-Encoding");
    if (!/\bgzip\b/.test(c.req.header("accept-encoding") ?? "")) return c.body(asset.body);
    c.header("Content-Encoding", "gzip");
    return c.body(asset.gzipped);
  });
  return app;
}
