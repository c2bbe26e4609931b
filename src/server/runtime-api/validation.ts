// A request body against its schema, and what is wrong with it in the words of pydantic 2, whose error list is what public
// clients of this API read.
import type { HonoRequest } from "hono";
import * as v from "valibot";
import type { ValidationProblem } from "../../protocol/runtime-api.ts";

/** Thrown for a body that is not what it should be; becomes a 422. */
export class InvalidRequest extends Error {
  override readonly name = "InvalidRequest";
  readonly problems: readonly ValidationProblem[];
  constructor(problems: readonly ValidationProblem[]) {
    super("the request is not valid");
    this.problems = problems;
  }
}

/** What a body may hold, however small it is: each value can be wrong, and is checked, by the process that serves all else too. */
const MOST_VALUES = 10_000;
const DEEPEST = 100;
/** Nobody reads on after so many. */
const MOST_PROBLEMS = 100;

/** Name of a failure → what is said of it, given what the schema asks for (docs.pydantic.dev, "Validation errors"). */
const WORDS: Readonly<Record<string, (requirement: unknown, input: unknown) => string>> = {
  missing: () => "Field required",
  json_invalid: () => "JSON decode error",
  string_type: () => "Input should be a valid string",
  string_too_short: (least) =>
    `String should have at least ${String(least)} ${least === 1 ? "character" : "characters"}`,
  too_long: (most, given) =>
    `List should have at most ${String(most)} items after validation, not ${(given as readonly unknown[]).length}`,
  list_type: () => "Input should be a valid list",
  dict_type: () => "Input should be a valid dictionary",
  model_attributes_type: () => "Input should be a valid dictionary or object to extract fields from",
  literal_error: (options) => `Input should be ${oneOf(options as readonly string[])}`,
  int_type: () => "Input should be a valid integer",
  int_parsing: () => "Input should be a valid integer, unable to parse string as an integer",
  int_from_float: () => "Input should be a valid integer, got a number with a fractional part",
  bool_type: () => "Input should be a valid boolean",
  bool_parsing: () => "Input should be a valid boolean, unable to interpret input",
  greater_than_equal: (least) => `Input should be greater than or equal to ${String(least)}`,
  less_than_equal: (most) => `Input should be less than or equal to ${String(most)}`,
  too_many: () => `Input has more than ${MOST_VALUES} values in it`,
  too_deep: () => `Input is nested more than ${DEEPEST} deep`,
  value_error: () => "Value error, detach must be true: a runtime is never waited for",
};

function oneOf(options: readonly string[]): string {
  const quoted = options.map((option) => `'${option}'`);
  return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

/** Takes a request and the schema of its body; gives the typed body. Throws InvalidRequest. */
export async function bodyOf<S extends v.GenericSchema>(request: HonoRequest, schema: S): Promise<v.InferOutput<S>> {
  return validate(schema, readJson(await request.text(), request.header("content-type")));
}

/**
 * Takes the raw body and its Content-Type; gives the JSON value that is in it. What is not sent as JSON counts as text, as it
 * does with FastAPI; it also keeps a page of a foreign web site from sending a form here. Throws InvalidRequest.
 */
function readJson(body: string, contentType: string | undefined): unknown {
  if (body === "") throw new InvalidRequest([problem("missing", [], null, null)]);
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType?.trim() ?? "")) return body;
  const value = parsed(body);
  const excess = excessOf(value);
  if (excess !== null) throw new InvalidRequest([problem(excess, [], null, null)]);
  return value;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw new InvalidRequest([problem("json_invalid", [0], null, {})]);
  }
}

/** Says in which way a value is more than anybody means, or null. */
function excessOf(value: unknown): "too_many" | "too_deep" | null {
  let level = [value];
  for (let count = 0, depth = 0; level.length > 0; depth++) {
    if ((count += level.length) > MOST_VALUES) return "too_many";
    if (depth > DEEPEST) return "too_deep";
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one as object) : []));
  }
  return null;
}

/** Takes what JSON gave and the schema for it; gives the typed request. Throws InvalidRequest with all that is wrong. */
export function validate<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  // JSON's null counts as no body at all, as it does with FastAPI.
  if (value === null) throw new InvalidRequest([problem("missing", [], null, null)]);
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const all = new Map(
    result.issues.flatMap((issue) => problemsOf(issue, [])).map((it) => [JSON.stringify(it.loc) + it.type, it]),
  );
  // What is asked of the whole is asked only when its parts are right.
  const parts = [...all.values()].filter(({ type }) => type !== "value_error").slice(0, MOST_PROBLEMS);
  if (parts.length > 0) throw new InvalidRequest(parts);
  throw new InvalidRequest([...all.values()].map((it) => ({ ...it, input: value })));
}

function problemsOf(issue: v.BaseIssue<unknown>, above: readonly (string | number)[]): ValidationProblem[] {
  const path = issue.path ?? [];
  const loc = [...above, ...path.map(({ key }) => key as string | number)];
  if (issue.type === "union") return (issue.issues ?? []).flatMap((sub) => problemsOf(sub, [...loc, branchOf(sub)]));
  const last = path.at(-1);
  const missing = issue.type === "object" && last?.origin === "key" && issue.input === undefined;
  // For valibot a list is an object whose fields are all missing.
  if (missing && Array.isArray(last.input))
    return [problem("model_attributes_type", loc.slice(0, -1), null, last.input)];
  // A field that is not there is told of the object that lacks it.
  if (missing) return [problem("missing", loc, null, last.input)];
  // As it was sent, and not what it was read as.
  const input = last ? last.value : issue.input;
  return [
    problem(issue.message, loc, issue.type === "picklist" ? optionsOf(issue.expected) : issue.requirement, input),
  ];
}

/** pydantic names in `loc` which member of a union it tried; the one union there is takes a string or a list of strings. */
function branchOf(issue: v.BaseIssue<unknown>): string {
  return issue.type === "array" || issue.path ? "list[str]" : "str";
}

/** valibot tells what a picklist takes as `("tcp" | "udp")`. */
function optionsOf(expected: string | null): string[] {
  return [...(expected ?? "").matchAll(/"([^"]*)"/g)].map((match) => match[1] as string);
}

function problem(
  type: string,
  loc: readonly (string | number)[],
  requirement: unknown,
  input: unknown,
): ValidationProblem {
  return { type, loc: ["body", ...loc], msg: WORDS[type]?.(requirement, input) ?? "Input is not valid", input };
}
