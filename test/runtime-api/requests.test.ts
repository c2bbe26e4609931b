// What the runtime API says to a request before any engine is asked.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createdAt } from "../../src/server/runtime-api/told.ts";
import { NO_ENGINE, testApi, type TestApi } from "./api.ts";

let t: TestApi;
beforeEach(async () => {
  t = await testApi(NO_ENGINE);
});
afterEach(() => t.close());

const problems = async (body: unknown, path = "/start"): Promise<unknown> => {
  const answer = await t.ask("POST", path, body);
  expect(answer.status).toBe(422);
  return answer.json.detail;
};

const wrongVariables = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i.toString(36), 1]));

describe("a request that is not valid is answered with pydantic's list of what is wrong", () => {
  test.each<
    [what: string, body: unknown, ...expected: [type: string, loc: (string | number)[], msg: string, input: unknown][]]
  >([
    ["no image", { name: "x" }, ["missing", ["image"], "Field required", { name: "x" }]],
    ["an empty image", { image: "" }, ["string_too_short", ["image"], "String should have at least 1 character", ""]],
    ["a number for a text", { image: 5 }, ["string_type", ["image"], "Input should be a valid string", 5]],
    ["null for a text", { image: null }, ["string_type", ["image"], "Input should be a valid string", null]],
    [
      "an empty name",
      { image: "i", name: "" },
      ["string_too_short", ["name"], "String should have at least 1 character", ""],
    ],
    [
      "a command that is neither text nor list",
      { image: "i", command: 5 },
      ["string_type", ["command", "str"], "Input should be a valid string", 5],
      ["list_type", ["command", "list[str]"], "Input should be a valid list", 5],
    ],
    [
      "a command with something else in its list",
      { image: "i", command: ["a", 5] },
      ["string_type", ["command", "str"], "Input should be a valid string", ["a", 5]],
      ["string_type", ["command", "list[str]", 1], "Input should be a valid string", 5],
    ],
    [
      "a variable that is no text",
      { image: "i", environment: { A: 1 } },
      ["string_type", ["environment", "A"], "Input should be a valid string", 1],
    ],
    [
      "a list of labels",
      { image: "i", labels: ["a"] },
      ["dict_type", ["labels"], "Input should be a valid dictionary", ["a"]],
    ],
    [
      "an object of volumes",
      { image: "i", volumes: {} },
      ["list_type", ["volumes"], "Input should be a valid list", {}],
    ],
    [
      "a volume with nothing in it",
      { image: "i", volumes: [{}] },
      ["missing", ["volumes", 0, "host_path"], "Field required", {}],
      ["missing", ["volumes", 0, "container_path"], "Field required", {}],
    ],
    [
      "a mode that is none",
      { image: "i", volumes: [{ host_path: "/a", container_path: "/b", mode: "x" }] },
      ["literal_error", ["volumes", 0, "mode"], "Input should be 'rw' or 'ro'", "x"],
    ],
    [
      "a port that is a list",
      { image: "i", ports: [[]] },
      [
        "model_attributes_type",
        ["ports", 0],
        "Input should be a valid dictionary or object to extract fields from",
        [],
      ],
    ],
    [
      "port 0",
      { image: "i", ports: [{ container_port: 0 }] },
      ["greater_than_equal", ["ports", 0, "container_port"], "Input should be greater than or equal to 1", 0],
    ],
    [
      "a port past the last",
      { image: "i", ports: [{ container_port: 80, host_port: 65_536 }] },
      ["less_than_equal", ["ports", 0, "host_port"], "Input should be less than or equal to 65535", 65_536],
    ],
    [
      "a port that is a word",
      { image: "i", ports: [{ container_port: "http" }] },
      [
        "int_parsing",
        ["ports", 0, "container_port"],
        "Input should be a valid integer, unable to parse string as an integer",
        "http",
      ],
    ],
    [
      "half a port",
      { image: "i", ports: [{ container_port: 1.5 }] },
      [
        "int_from_float",
        ["ports", 0, "container_port"],
        "Input should be a valid integer, got a number with a fractional part",
        1.5,
      ],
    ],
    [
      "a protocol that is none",
      { image: "i", ports: [{ container_port: 80, protocol: "sctp" }] },
      ["literal_error", ["ports", 0, "protocol"], "Input should be 'tcp' or 'udp'", "sctp"],
    ],
    [
      "a word that is no boolean",
      { image: "i", auto_remove: "maybe" },
      ["bool_parsing", ["auto_remove"], "Input should be a valid boolean, unable to interpret input", "maybe"],
    ],
    [
      "a number with a fraction for a boolean",
      { image: "i", auto_remove: 1.5 },
      ["bool_type", ["auto_remove"], "Input should be a valid boolean", 1.5],
    ],
    [
      "null for a boolean",
      { image: "i", auto_remove: null },
      ["bool_type", ["auto_remove"], "Input should be a valid boolean", null],
    ],
  ])("%s", async (_, body, ...expected) => {
    expect(await problems(body)).toEqual(
      expected.map(([type, loc, msg, input]) => ({ type, loc: ["body", ...loc], msg, input })),
    );
  });

  test("detach: false is refused as a whole, and only when nothing else is wrong", async () => {
    const body = { image: "i", detach: false };
    expect(await problems(body)).toEqual([
      { type: "value_error", loc: ["body"], msg: expect.stringContaining("detach must be true"), input: body },
    ]);
    expect(await problems({ detach: false })).toMatchObject([{ type: "missing" }]);
  });

  test("all that is wrong is told at once", async () => {
    const found = (await problems({ name: "", ports: [{}, 5] })) as { loc: unknown[] }[];
    expect(found.map(({ loc }) => loc.join("."))).toEqual([
      "body.image",
      "body.name",
      "body.ports.0.container_port",
      "body.ports.1",
    ]);
  });

  test.each(["/stop", "/pause", "/resume"])("%s wants a runtime_id, and no time before now", async (path) => {
    expect(await problems({}, path)).toMatchObject([{ type: "missing", loc: ["body", "runtime_id"] }]);
    expect(await problems({ runtime_id: "" }, path)).toMatchObject([{ type: "string_too_short" }]);
    expect(await problems({ runtime_id: "x", timeout: -1 }, path)).toMatchObject([
      { type: "greater_than_equal", loc: ["body", "timeout"], msg: "Input should be greater than or equal to 0" },
    ]);
  });

  test.each([
    ["nothing", "", "missing"],
    ["null", "null", "missing"],
    ["what is no JSON", "{", "json_invalid"],
    ["a list", "[]", "model_attributes_type"],
    ["a number", "5", "model_attributes_type"],
  ])("a body that is %s", async (_, body, type) => {
    expect(await problems(body)).toMatchObject([{ type, loc: expect.arrayContaining(["body"]) }]);
  });

  test.each([
    ["a thousand ports", { image: "!", ports: Array(1000).fill(5) }],
    ["half a million ports", { image: "!", ports: Array(490_000).fill(5) }],
    [
      "half a million volumes with nothing in them",
      { image: "!", volumes: Array.from({ length: 340_000 }, () => ({})) },
    ],
    ["half a million words that are none", { image: "!", command: Array(490_000).fill(1) }],
    ["a hundred thousand variables that are no texts", { image: "!", environment: wrongVariables(90_000) }],
  ])("%s are answered with a list that ends", async (_, body) => {
    const { status, text, json } = await t.ask("POST", "/start", body);
    expect(status).toBe(422);
    expect(json.detail.length).toBeLessThanOrEqual(100);
    expect(text.length).toBeLessThan(100_000);
  });

  test("more ports or volumes than an engine is asked for are refused", async () => {
    const ports = Array.from({ length: 257 }, (_, i) => ({ container_port: i + 1 }));
    const volumes = Array.from({ length: 257 }, () => ({ host_path: "/a", container_path: "/b" }));
    const msg = "List should have at most 256 items after validation, not 257";
    expect(await problems({ image: "i", ports, volumes })).toMatchObject([
      { type: "too_long", loc: ["body", "ports"], msg },
      { type: "too_long", loc: ["body", "volumes"], msg },
    ]);
  });

  test("JSON that is nested without end is refused, and nothing else goes wrong", async () => {
    for (const body of [
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
    ])
      expect(await problems(body)).toMatchObject([{ type: "too_deep", loc: ["body"], input: null }]);
  });

  test("what was sent is told as it was sent", async () => {
    const ports = [{ container_port: "-1" }, { container_port: " 65536 " }, { container_port: 0 }];
    expect(await problems({ image: "i", ports })).toMatchObject(ports.map((port) => ({ input: port.container_port })));
    expect(await problems({ runtime_id: "x", timeout: "-1" }, "/stop")).toMatchObject([{ input: "-1" }]);
  });

  test("a body that is not sent as JSON is no object: no form of a foreign page starts anything", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const answer = await t.ask("POST", "/start", '{"image":"i"}', { "content-type": type });
      expect([type, answer.status, answer.json.detail[0].type]).toEqual([type, 422, "model_attributes_type"]);
    }
  });
});

describe("a request that is valid", () => {
  test("may say numbers and booleans as pydantic takes them, null for what is optional, and what nobody knows", async () => {
    const body = {
      image: "i",
      name: null,
      command: null,
      ports: [{ container_port: "80", host_port: null }],
      volumes: null,
      detach: "yes",
      auto_remove: 0,
      network: "",
      restart_policy: {},
      unknown: { anything: 1 },
    };
    expect((await t.ask("POST", "/start", body)).status).toBe(503);
  });

  test("is answered with 503 and the reason where no engine answers", async () => {
    for (const [path, body] of [
      ["/start", { image: "i" }],
      ["/stop", { runtime_id: "x" }],
      ["/pause", { runtime_id: "x" }],
    ] as const) {
      const answer = await t.ask("POST", path, body);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(answer.json.detail).toContain("does not answer");
      // Where the engine is, is the operator's to know, and in his log.
      expect(answer.text).not.toContain(NO_ENGINE.slice("unix://".length));
    }
    expect(t.log.join("\n")).toContain(NO_ENGINE);
    expect((await t.ask("GET", "/list")).status).toBe(503);
  });

  test.each([true, false, "0x50", "8e1", " "])("%j is no port", async (container_port) => {
    const { status, json } = await t.ask("POST", "/start", { image: "i", ports: [{ container_port }] });
    expect([status, json.detail[0].loc]).toEqual([422, ["body", "ports", 0, "container_port"]]);
  });

  test("with a port twice is refused before any engine is asked", async () => {
    const ports = [{ container_port: 80 }, { container_port: 80, host_port: 8080, protocol: "tcp" }];
    const answer = await t.ask("POST", "/start", { image: "i", ports });
    expect([answer.status, answer.json]).toEqual([400, { detail: "Duplicate port binding for 80/tcp" }]);
    const both = [{ container_port: 80 }, { container_port: 80, protocol: "udp" }];
    expect((await t.ask("POST", "/start", { image: "i", ports: both })).status).toBe(503);
  });

  test.each([
    [{ network: "host" }, "network"],
    [{ network: "container:abc" }, "network"],
    [{ network: "ns:/proc/1/ns/net" }, "network"],
    [{ network: "runcode-0123456789ab-1" }, "network"],
    [{ name: "runcode-0123456789ab-1" }, "name"],
    [{ name: "../x" }, "name"],
    [{ name: "half-\ud800" }, "name"],
    [{ volumes: [{ host_path: "/", container_path: "/host" }] }, "volume"],
    [{ volumes: [{ host_path: "somebodys-data", container_path: "/x" }] }, "volume"],
    [{ labels: { "runcode.workspace": "1" } }, "label runcode.workspace"],
    [{ image: "../../containers/abc" }, "image"],
    [{ image: "a b" }, "image"],
    [{ command: 'sh -c "open' }, "command"],
    [{ environment: { "A=B": "c" } }, "environment"],
    [{ restart_policy: { Name: "always", MaximumRetryCount: "x" } }, "restart_policy"],
    [{ restart_policy: { MaximumRetryCount: "1" } }, "restart_policy"],
  ])("%j is refused, with the reason", async (wish, about) => {
    const answer = await t.ask("POST", "/start", { image: "i", ...wish });
    expect(answer.status).toBe(400);
    expect(answer.json.detail).toMatch(/^Unable to start runtime: /);
    expect(answer.json.detail).toContain(about);
  });
});
test.each([
  ["2026-01-01T01:02:03.123456789+02:00", "2025-12-31T23:02:03.123456Z"],
  ["2026-01-01T01:02:03Z", "2026-01-01T01:02:03.000000Z"],
])("an engine's %s is told as %s", (written, told) => expect(createdAt(written)).toBe(told));
