// How the runtime API describes itself: a document for programs, and a page for people.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NO_ENGINE, testApi, type TestApi } from "./api.ts";

let t: TestApi;
beforeEach(async () => {
  t = await testApi(NO_ENGINE);
});
afterEach(() => t.close());

interface Described {
  readonly requestBody: { readonly content: { readonly "application/json": { readonly example: object } } };
  readonly responses: object;
}

describe("the description", () => {
  test("GET / leads to the docs page, which loads nothing from anywhere and runs no script", async () => {
    const root = await t.ask("GET", "/");
    expect([root.status, root.headers.get("location")]).toEqual([307, "/docs"]);
    const docs = await t.ask("GET", "/docs");
    expect(docs.headers.get("content-type")).toContain("text/html");
    for (const path of ["/start", "/stop", "/pause", "/resume", "/list"]) expect(docs.text).toContain(path);
    expect(docs.text).not.toMatch(/<script|https?:\/\/|@import|url\(/i);
    expect(docs.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-/);
  });

  test("openapi.json has every call, its request and its answers, from the schemas themselves", async () => {
    const { json } = await t.ask("GET", "/openapi.json");
    expect(json.openapi).toBe("3.1.0");
    expect(Object.keys(json.paths)).toEqual(["/start", "/stop", "/pause", "/resume", "/list"]);
    expect(Object.keys(json.paths["/start"].post.responses)).toEqual(["201", "400", "413", "421", "422", "503"]);
    expect(Object.keys(json.paths["/stop"].post.responses)).toEqual(["200", "400", "404", "413", "421", "422", "503"]);
    const { StartRuntimeRequest: start, RuntimeActionRequest: action } = json.components.schemas;
    expect(start.required).toEqual(["image"]);
    expect(Object.keys(start.properties)).toEqual([
      ...["image", "name", "command", "environment", "ports", "volumes", "detach", "auto_remove", "labels"],
      ...["restart_policy", "network"],
    ]);
    expect(start.properties.image).toMatchObject({ type: "string", minLength: 1 });
    expect(start.properties.detach).toMatchObject({ type: "boolean", default: true });
    expect(start.properties.ports.anyOf[0]).toMatchObject({ type: "array", maxItems: 256 });
    expect(start.properties.ports.anyOf[0].items.properties.container_port).toMatchObject({
      type: "integer",
      minimum: 1,
      maximum: 65_535,
    });
    expect(action.required).toEqual(["runtime_id"]);
    const fails = json.paths["/list"].get.responses;
    expect(Object.keys(fails)).toEqual(["200", "421", "503"]);
    for (const answer of Object.values(fails))
      expect(answer).toMatchObject({ description: expect.stringMatching(/./) });
    expect(JSON.stringify(json)).not.toContain("securitySchemes");
    // Every reference leads somewhere.
    const refs = [...JSON.stringify(json).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      (match) => match[1] as string,
    );
    expect(refs.filter((name) => !Object.hasOwn(json.components.schemas, name))).toEqual([]);
  });

  test.each(["public", "hosted"] as const)(
    "of the %s contract says of every field what it is, and of every call what it can look like",
    async (flavor) => {
      const described = await testApi(NO_ENGINE, { flavor, key: "k".repeat(32), hosts: null });
      try {
        const { json } = await described.ask("GET", "/openapi.json");
        const page = (await described.ask("GET", "/docs")).text;
        for (const [name, { properties = {} }] of Object.entries<{ properties?: object }>(json.components.schemas))
          for (const [key, { description }] of Object.entries<{ description?: string }>(properties as never)) {
            expect([name, key, description]).toEqual([name, key, expect.stringMatching(/^\S.*\.$/)]);
            expect(page).toContain(`<code>${key}</code>`);
          }
        for (const [path, { post }] of Object.entries(json.paths as Record<string, { post?: Described }>)) {
          if (!post) continue;
          // What is shown is what can be sent.
          const { example } = post.requestBody.content["application/json"];
          const { status } = await described.ask("POST", path, example, { "x-api-key": "k".repeat(32) });
          expect([path, status]).toEqual([path, 503]);
          expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(["401", "413", "422", "429", "503"]));
        }
      } finally {
        await described.close();
      }
    },
  );

  test("of the hosted contract says that the sessions asked about may be none or many", async () => {
    const hosted = await testApi(NO_ENGINE, { flavor: "hosted" });
    try {
      const { json } = await hosted.ask("GET", "/openapi.json");
      expect(json.paths["/sessions/batch"].get.parameters).toMatchObject([
        { name: "ids", in: "query", required: false, schema: { type: "array", items: { type: "string" } } },
      ]);
    } finally {
      await hosted.close();
    }
  });
});
