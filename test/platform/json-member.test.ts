import { assert, jsonValue, property, string, integer, array, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { memberText, withMember, withoutMember } from "../../src/platform/json-member.ts";

const OURS = '{"type":"command","command":"/x/run\\"code statusline"}';

describe("one member of somebody's JSON", () => {
  test.each([
    ["{}"],
    ["{ }\n"],
    ['{"a":1}'],
    ['{\n\t"a": [1, {"statusLine": 2}],\n\t"b": "}"\n}\n'],
    ['{\r\n  "a": "\\"{[,:",\r\n  "b": {"c": []}\r\n}'],
  ])("goes in and out of %j, and all other text stays", (text) => {
    const put = withMember(text, "statusLine", OURS);
    expect(JSON.parse(put)).toEqual({ ...(JSON.parse(text) as object), statusLine: JSON.parse(OURS) as unknown });
    expect(withMember(put, "statusLine", OURS)).toBe(put);
    expect(withoutMember(put, "statusLine")).toBe(/^\{\s*\}/.test(text) ? text.replace(/\{\s*\}/, "{}") : text);
  });

  test("is replaced where it stands, between its neighbours", () => {
    const text = '{\n  "a": 1,\n  "statusLine" : { "x": [1] } ,\n  "b": 2\n}\n';
    expect(withMember(text, "statusLine", "3")).toBe('{\n  "a": 1,\n  "statusLine" : 3 ,\n  "b": 2\n}\n');
    expect(memberText(text, "statusLine")).toBe('{ "x": [1] }');
    expect(JSON.parse(withoutMember(text, "statusLine"))).toEqual({ a: 1, b: 2 });
  });

  test("is found in any object, however it is written", () => {
    assert(
      property(array(tuple(string(), jsonValue())), integer({ min: 0, max: 4 }), (members, indent) => {
        const object = Object.fromEntries(members);
        const text = JSON.stringify(object, null, indent);
        const put = withMember(text, "statusLine", OURS);
        expect(JSON.parse(put)).toEqual({ ...(JSON.parse(text) as object), statusLine: JSON.parse(OURS) as unknown });
        if (!Object.hasOwn(object, "statusLine")) expect(withoutMember(put, "statusLine")).toBe(text);
      }),
    );
  });
});
