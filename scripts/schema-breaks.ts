// Whether readers of a released document can read today's. The schemas are of what the program prints: a field more is no harm,
// a field less is; and a value of another kind is, whether the reader has not met it yet or waits for it in vain.
import type { JsonSchema } from "../src/cli/json-schema.ts";

type Documents = Readonly<Record<string, JsonSchema>>;

/** Takes every document of a release and of today; gives what would break readers, one sentence each. */
export function breaks(released: Documents, today: Documents): string[] {
  return Object.entries(released).flatMap(([name, schema]) => {
    const now = today[name];
    return now ? documentBreaks(name, schema, now) : [`${name}: there is no such document any more`];
  });
}

/** A document is one of several, told apart by the flag that stands in their titles: one more breaks nobody, since nobody gives that flag yet. */
function documentBreaks(name: string, before: JsonSchema, now: JsonSchema): string[] {
  const later = cases(now);
  return [...cases(before)].flatMap(([title, schema]) => {
    const at = title === "" ? name : `${name} ${title}`;
    const same = later.get(title);
    return same ? fieldBreaks(at, schema, same) : [`${at}: is not printed any more`];
  });
}

function cases(schema: JsonSchema): Map<string, JsonSchema> {
  return new Map(schema.anyOf ? schema.anyOf.map((each) => [each.title ?? "", each]) : [["", schema]]);
}

function fieldBreaks(at: string, before: JsonSchema, now: JsonSchema): string[] {
  const strange = Object.keys({ ...before, ...now }).find((keyword) => !KNOWN.has(keyword));
  if (strange !== undefined) return [`${at}: nobody has said yet what a change of ${strange} does to readers`];
  const found = [kindBreak(before, now), ...LIMITS.map((limit) => limit(before, now))].filter((each) => each !== null);
  return [
    ...found.map((what) => `${at}: ${what}`),
    ...propertyBreaks(at, before, now),
    ...innerBreaks(`${at}[]`, before.items, now.items),
    ...innerBreaks(`${at}.*`, asSchema(before.additionalProperties), asSchema(now.additionalProperties)),
    ...alternativeBreaks(at, before.anyOf, now.anyOf),
  ];
}

function kindBreak(before: JsonSchema, now: JsonSchema): string | null {
  const [was, is] = [kinds(before), kinds(now)];
  return was === is ? null : `was ${was}, is ${is}`;
}

function kinds({ type }: JsonSchema): string {
  return type === undefined ? "anything" : [type].flat().toSorted().join(" or ");
}

type Limit = (before: JsonSchema, now: JsonSchema) => string | null;
const LIMITS: readonly Limit[] = [
  (before, now) => {
    const [was, is] = [values(before), values(now)];
    if (was === null || is === null) return was === is || was === null ? null : "may be more than the words it was";
    const gone = was.filter((value) => !is.includes(value));
    const more = is.filter((value) => !was.includes(value));
    if (gone.length > 0) return `is never ${gone.join(", ")} any more`;
    if (before["x-open"]) return null;
    if (more.length > 0) return `may be ${more.join(", ")} now, and was said to be closed`;
    return now["x-open"] ? "was said to be closed" : null;
  },
  (before, now) => (before.pattern === undefined || before.pattern === now.pattern ? null : "has another pattern"),
  (before, now) => (before.format === undefined || before.format === now.format ? null : "has another format"),
  (before, now) =>
    before.minimum === undefined || (now.minimum ?? -Infinity) >= before.minimum ? null : "may be smaller",
  (before, now) =>
    before.maximum === undefined || (now.maximum ?? Infinity) <= before.maximum ? null : "may be greater",
];

/** The values that it may have, where they are told. */
function values(schema: JsonSchema): readonly string[] | null {
  const told = schema.const === undefined ? schema.enum : [schema.const];
  return told?.map((value) => JSON.stringify(value)) ?? null;
}

function propertyBreaks(at: string, before: JsonSchema, now: JsonSchema): string[] {
  return Object.entries(before.properties ?? {}).flatMap(([name, was]) => {
    const is = now.properties?.[name];
    if (!is) return [`${at}.${name}: is gone`];
    const less = before.required?.includes(name) && !now.required?.includes(name);
    return [...(less ? [`${at}.${name}: may be missing`] : []), ...fieldBreaks(`${at}.${name}`, was, is)];
  });
}

function innerBreaks(at: string, before: JsonSchema | undefined, now: JsonSchema | undefined): string[] {
  if (before === undefined) return [];
  return now === undefined ? [`${at}: may be anything`] : fieldBreaks(at, before, now);
}

function asSchema(schema: JsonSchema | boolean | undefined): JsonSchema | undefined {
  return typeof schema === "object" ? schema : undefined;
}

/** Inside of a document alternatives have no names; each must have one on the other side that it can be read as. */
function alternativeBreaks(
  at: string,
  before: readonly JsonSchema[] | undefined,
  now: readonly JsonSchema[] | undefined,
): string[] {
  if (!before && !now) return [];
  if (!before || !now) return [`${at}: has other alternatives`];
  const gone = before.filter((was) => !now.some((is) => fieldBreaks(at, was, is).length === 0));
  const more = now.filter((is) => !before.some((was) => fieldBreaks(at, was, is).length === 0));
  return [
    ...gone.map((was) => `${at}: is never ${kinds(was)} any more`),
    ...more.map((is) => `${at}: may be ${kinds(is)} now`),
  ];
}

/** What is compared, and what is said to people alone. */
const KNOWN = new Set([
  ...["type", "properties", "required", "additionalProperties", "propertyNames", "items", "anyOf", "enum", "const"],
  ...["pattern", "format", "minimum", "maximum", "x-open"],
  ...["$schema", "$id", "title", "description", "examples", "x-json-lines"],
]);
