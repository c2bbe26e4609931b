// The splitting of argv, held against the runtime's own.
import { parseArgs } from "node:util";
import { array, assert, constantFrom, oneof, property, string, stringMatching } from "fast-check";
import { expect, test } from "vitest";
import { tokens } from "../../src/cli/tokens.ts";

const OPTIONS = {
  json: { value: false },
  quiet: { value: false, short: "q" },
  loud: { value: false, short: "l" },
  workspace: { value: true, short: "w" },
  env: { value: true },
} as const;

function theirs(words: string[]): unknown[] {
  const options = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, option]) => [
      name,
      {
        type: option.value ? ("string" as const) : ("boolean" as const),
        multiple: true,
        ...("short" in option ? { short: option.short } : {}),
      },
    ]),
  );
  const parsed = parseArgs({ args: words, strict: false, allowPositionals: true, tokens: true, options });
  return parsed.tokens.map((token) => {
    if (token.kind === "option")
      return { kind: token.kind, name: token.name, rawName: token.rawName, value: token.value };
    return token.kind === "positional" ? { kind: token.kind, value: token.value } : { kind: token.kind };
  });
}

test("words are split as parseArgs splits them", () => {
  // Dashes within a group of short flags are left out: there parseArgs sees a `--`, and here it is an unknown option.
  const flags = stringMatching(/^-[qlwx=a]{1,4}$/);
  const long = stringMatching(/^--(json|env|workspace|quiet|other|no-json|)(=|=a|=-q|==)?$/);
  const word = oneof(flags, long, constantFrom("-", "--", "", "a", "run", "--json"), string());
  // So is `--==`, which means nothing to anybody.
  const honest = word.filter((one) => !/^(-[^-].*-|--=)/.test(one));
  assert(
    property(array(honest, { maxLength: 8 }), (words) => {
      expect(tokens(words, OPTIONS)).toEqual(theirs(words));
    }),
    { numRuns: 2000 },
  );
});

test("a dash within a group of flags does not end the options", () => {
  expect(tokens(["-q-l"], OPTIONS).map((token) => token.kind)).toEqual(["option", "option", "option"]);
});

test("names of Object's own are no options", () => {
  expect(tokens(["--constructor", "x"], OPTIONS)).toEqual([
    { kind: "option", name: "constructor", rawName: "--constructor", value: undefined },
    { kind: "positional", value: "x" },
  ]);
});
