// A document on a line, as help shows it.
import * as v from "valibot";
import { expect, test } from "vitest";
import { commandsOf } from "../../src/cli/define.ts";
import { commandSchema } from "../../src/cli/json-schema.ts";
import { outline } from "../../src/cli/outline.ts";

async function lines<S extends v.GenericSchema>(schema: S, jsonLines?: string): Promise<string[]> {
  const spec = { summary: "", examples: [], schema: async () => ({ default: schema }), run: () => Promise.resolve() };
  const command = commandsOf<null>()({ ...spec, ...(jsonLines === undefined ? {} : { jsonLines }) });
  const made = await commandSchema("it", command);
  return made === null ? [] : outline(made);
}

const inner = v.object({ name: v.string(), fix: v.exactOptional(v.string()) });

test.each<[string, v.GenericSchema, string]>([
  ["fields, and which of them may be missing", inner, "{name,fix?}"],
  [
    "lists of plain values and of objects",
    v.object({ a: v.array(v.string()), b: v.array(inner) }),
    "{a[],b:[{name,fix?}]}",
  ],
  [
    "objects inside, also where they may be null",
    v.object({ a: inner, b: v.nullable(inner) }),
    "{a:{name,fix?},b:{name,fix?}}",
  ],
  ["tables", v.object({ tools: v.record(v.string(), v.string()) }), "{tools{}}"],
  ["a list as the whole document", v.array(inner), "[{name,fix?}]"],
])("%s", async (_, schema, line) => expect(await lines(schema)).toEqual([line]));

test("each document of a command has its own line, with the flag that asks for it", async () => {
  const other = v.pipe(v.object({ revoked: v.number() }), v.title("--revoke"));
  expect(await lines(v.union([inner, other]))).toEqual(["{name,fix?}", "--revoke: {revoked}"]);
});

test("JSON lines are said", async () => {
  expect(await lines(inner, "with --follow")).toEqual(["{name,fix?}", "JSON lines with --follow."]);
});
