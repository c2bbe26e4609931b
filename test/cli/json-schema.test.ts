// A command's schema as JSON Schema.
import * as v from "valibot";
import { expect, test } from "vitest";
import { commandsOf } from "../../src/cli/define.ts";
import { commandSchema } from "../../src/cli/json-schema.ts";
import { count, oneOf, openOneOf } from "../../src/protocol/output/fields.ts";

const define = commandsOf<null>();
const spec = { summary: "", examples: [], run: () => Promise.resolve() };

test("what may be null has null among its types, and keeps what is said of it", async () => {
  const schema = v.object({
    size: v.nullable(count("in bytes")),
    word: v.nullable(oneOf(["a", "b"], "which")),
    error: openOneOf(["c"], "today"),
  });
  const made = await commandSchema("it", define({ ...spec, schema: async () => ({ default: schema }) }));
  expect(made?.properties).toEqual({
    size: { type: ["integer", "null"], minimum: 0, description: "in bytes" },
    word: { type: ["string", "null"], enum: ["a", "b", null], description: "which" },
    error: { type: "string", enum: ["c"], description: "today", "x-open": true },
  });
});

test("its name, its lines and its exit codes come from the declaration", async () => {
  const command = define({
    ...spec,
    schema: async () => ({ default: v.array(v.string()) }),
    jsonLines: "with --follow",
    remoteExitCode: true,
  });
  expect(await commandSchema("jobs wait", command)).toEqual({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://runcode.io/schemas/jobs-wait.json",
    title: "What `runcode jobs wait --json` prints",
    type: "array",
    items: { type: "string" },
    "x-json-lines": "with --follow",
    "x-remote-exit-code": true,
  });
});

test("a command that prints no JSON has none", async () => {
  expect(await commandSchema("proxy", define({ ...spec, schema: null }))).toBe(null);
});
