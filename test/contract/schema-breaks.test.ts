// What breaks the readers of a document, and what does not.
import { describe, expect, test } from "vitest";
import { breaks } from "../../scripts/schema-breaks.ts";
import type { JsonSchema } from "../../src/cli/json-schema.ts";

const object = (properties: Record<string, JsonSchema>, required = Object.keys(properties)): JsonSchema => ({
  type: "object",
  properties,
  required,
});
const text: JsonSchema = { type: "string" };
const whole: JsonSchema = { type: "integer" };
const words = (...values: string[]): JsonSchema => ({ type: "string", enum: values });
const open = (...values: string[]): JsonSchema => ({ ...words(...values), "x-open": true });
const among = (...anyOf: JsonSchema[]): JsonSchema => ({ anyOf });
const between = (before: JsonSchema, now: JsonSchema): string[] => breaks({ it: before }, { it: now });
/** Of a field called `a`. */
const ofField = (before: JsonSchema, now: JsonSchema): string[] => between(object({ a: before }), object({ a: now }));

describe("readers go on reading where", () => {
  test.each<[string, JsonSchema, JsonSchema]>([
    ["nothing changed", object({ a: text, b: whole }), object({ a: text, b: whole })],
    ["there is a field more", object({ a: text }), object({ a: text, b: whole })],
    ["there is an optional field more", object({ a: text }), object({ a: text, b: whole }, ["a"])],
    ["an optional field is always there now", object({ a: text }, []), object({ a: text })],
    ["fields stand in another order", object({ a: text, b: whole }), object({ b: whole, a: text })],
    ["it is described in other words", { ...text, description: "x" }, { ...text, description: "y", title: "z" }],
    ["a flag gives another document", object({ a: text }), among(object({ a: text }), { ...whole, title: "--count" })],
    ["an open list of words grows", open("a"), open("a", "b")],
    ["an open list of words is closed", open("a"), words("a")],
    ["a promise is added", text, { ...text, format: "date-time", pattern: "Z$" }],
    ["a range gets narrower", { ...whole, minimum: 0 }, { ...whole, minimum: 1, maximum: 9 }],
    ["items have a field more", { type: "array", items: object({}) }, { type: "array", items: object({ a: text }) }],
    ["alternatives stand in another order", object({ a: among(text, whole) }), object({ a: among(whole, text) })],
  ])("%s", (_, before, now) => expect(between(before, now)).toEqual([]));

  test("there is a document more", () => expect(breaks({}, { it: text })).toEqual([]));
});

describe("readers break where", () => {
  test.each<[string, JsonSchema, JsonSchema, string]>([
    ["a field is gone", object({ a: text, b: text }), object({ b: text }), "it.a: is gone"],
    ["a field may be missing", object({ a: text }), object({ a: text }, []), "it.a: may be missing"],
    [
      "a field deep inside is gone",
      object({ a: { type: "array", items: object({ b: text }) } }),
      object({ a: { type: "array", items: object({}) } }),
      "it.a[].b: is gone",
    ],
    [
      "a flag's document is not printed any more",
      among(object({}), { ...whole, title: "--count" }),
      object({}),
      "it --count: is not printed any more",
    ],
    [
      "a flag's document loses a field",
      among(object({}), { ...object({ a: text }), title: "--list" }),
      among(object({}), { ...object({}), title: "--list" }),
      "it --list.a: is gone",
    ],
  ])("%s", (_, before, now, said) => expect(between(before, now)).toEqual([said]));

  test.each<[string, JsonSchema, JsonSchema, string]>([
    ["a number becomes a text", whole, text, "was integer, is string"],
    ["a number has a fraction", whole, { type: "number" }, "was integer, is number"],
    ["there may be nothing", text, { type: ["string", "null"] }, "was string, is null or string"],
    ["there is never nothing", { type: ["null", "string"] }, text, "was null or string, is string"],
    ["it may be anything", text, {}, "was string, is anything"],
    ["a closed list of words grows", words("a"), words("a", "b"), 'may be "b" now, and was said to be closed'],
    ["a closed list of words is opened", words("a"), open("a"), "was said to be closed"],
    ["a word is never said any more", words("a", "b"), words("a"), 'is never "b" any more'],
    ["a word of an open list is never said any more", open("a", "b"), open("a"), 'is never "b" any more'],
    ["words become any text", words("a"), text, "may be more than the words it was"],
    [
      "what was fixed may vary",
      { type: "boolean", const: true },
      { type: "boolean" },
      "may be more than the words it was",
    ],
    ["a pattern is dropped", { ...text, pattern: "^a$" }, text, "has another pattern"],
    ["a format changes", { ...text, format: "date-time" }, { ...text, format: "date" }, "has another format"],
    ["it may be smaller", { ...whole, minimum: 1 }, { ...whole, minimum: 0 }, "may be smaller"],
    ["it may be greater", { ...whole, maximum: 9 }, whole, "may be greater"],
    ["there is one alternative more", among(text), among(text, whole), "may be integer now"],
    ["there is one alternative less", among(text, whole), among(text), "is never integer any more"],
    ["a keyword is one that nobody compares", text, { ...text, minLength: 1 } as JsonSchema, "minLength"],
  ])("%s", (_, before, now, said) => expect(ofField(before, now)).toEqual([expect.stringContaining(said) as string]));

  test("the values of a table change", () => {
    const table = (additionalProperties: JsonSchema): JsonSchema => ({ type: "object", additionalProperties });
    expect(ofField(table(text), table(whole))).toEqual(["it.a.*: was string, is integer"]);
    expect(ofField(table(text), { type: "object" })).toEqual(["it.a.*: may be anything"]);
  });

  test("a document is gone", () => {
    expect(breaks({ it: text }, {})).toEqual(["it: there is no such document any more"]);
  });
});
