import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ASSETS, loadAssets, type AssetName } from "../../src/server/web/assets.ts";
import { testServer, type TestServer } from "../harness/index.ts";

describe("styles and scripts of the pages", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.close());

  test("the built program serves the very bytes that the sources bundle to", async () => {
    const assets = await loadAssets();
    for (const name of Object.keys(ASSETS) as AssetName[]) {
      const answer = await fetch(server.facts.web_base + assets.url(name), {
        headers: { "accept-encoding": "identity" },
      });
      expect(answer.status, name).toBe(200);
      expect(answer.headers.get("content-type")).toBe(ASSETS[name]);
      const file = assets.url(name).split("/").at(-1) as string;
      expect(Buffer.from(await answer.bytes()).equals(assets.find(file)?.body ?? Buffer.alloc(0)), name).toBe(true);
    }
  });

  test("they travel compressed to whoever takes it, and are the same then", async () => {
    const address = server.facts.web_base + (await loadAssets()).url("terminal.js");
    const plain = await fetch(address, { headers: { "accept-encoding": "identity" } });
    const packed = await fetch(address, { headers: { "accept-encoding": "gzip" }, decompress: false });
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    const bytes = await packed.bytes();
    expect(bytes.length).toBeLessThan(110_000);
    expect(Buffer.from(Bun.gunzipSync(bytes)).equals(Buffer.from(await plain.bytes()))).toBe(true);
  });

  test.each([
    "/assets/",
    "/assets/page.css",
    "/assets/../serve.ts",
    "/assets/%2e%2e%2fbundle.ts",
    "/assets/page.AAAAAAAAAAAA.css",
  ])("nothing else is served from there: %s", async (path) => {
    expect((await fetch(server.facts.web_base + path)).status).toBe(404);
  });

  test("no style or script names another host to load from", async () => {
    const assets = await loadAssets();
    for (const name of ["page.css", "terminal.css"] as const) {
      const text = Buffer.from(assets.find(assets.url(name).split("/").at(-1) as string)?.body ?? []).toString();
      expect(text).not.toMatch(/url\(|@import/);
    }
  });
});
