// What `--json` promises, held against what a run printed: the schemas of docs/schemas, closed, so that a field that nobody
// declared is a failure too. Every run of `runProgram` comes through here; a test that starts the program by itself calls it.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { ANNOTATIONS, type JsonSchema } from "../../src/cli/json-schema.ts";
import { splitName } from "../../src/cli/parse.ts";
import { find } from "../../src/cli/registry.ts";
import { COMMANDS } from "../../src/commands/index.ts";
import { EXIT_CODES, type ErrorCode } from "../../src/protocol/errors.ts";

const SCHEMAS = path.resolve(import.meta.dirname, "../../docs/schemas");

export interface Printed {
  readonly stdout: string;
  readonly exitCode: number;
}

/**
 * Takes the words after `runcode` and what came of them. Throws where they ask for JSON and stdout is anything but the
 * documents that were promised, or the exit code does not belong to the error among them.
 */
export function checkDocuments(words: readonly string[], { stdout, exitCode }: Printed): void {
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  if (!own.includes("--json")) return;
  const name = documentOf(own, words);
  if (name === INTERNAL) return;
  const fail = (what: string): never => {
    throw new Error(`runcode ${words.join(" ")} (exit ${exitCode}): ${what}\n${stdout.slice(0, 4000)}`);
  };
  const schema = name === null ? null : load(name);
  if (stdout === "" && name !== null && schema === null) return;
  if (stdout === "") fail("no document on stdout");
  if (!stdout.endsWith("\n")) fail("the last line is not whole");
  const lines = stdout.slice(0, -1).split("\n");
  if (lines.length > 1 && schema?.lines !== true) fail("more than one line on stdout");
  for (const line of lines) {
    let document: unknown;
    try {
      document = JSON.parse(line);
    } catch {
      fail("a line that is no JSON");
    }
    if (schema?.validate(document)) continue;
    if (!load("error")?.validate(document))
      fail(`neither an error nor what docs/schemas promises: ${schema?.complaints() ?? "nothing (npm run docs?)"}`);
    const code = EXIT_CODES[(document as { error: ErrorCode }).error];
    const expected = schema?.remote && code < 128 ? 255 : code;
    if (exitCode !== expected) fail(`this error exits with ${expected}`);
  }
}

/** A hidden command of the program's own, whose stdout is nobody's contract. */
const INTERNAL = Symbol("internal");

/** Which document the words ask for; null where there is no such command. */
function documentOf(own: readonly string[], words: readonly string[]): string | typeof INTERNAL | null {
  const { name, words: rest } = splitName(words);
  if (name === "help" || own.includes("--help") || own.includes("-h")) return "help";
  if (name === undefined) return own.includes("--version") || own.includes("-V") ? "version" : "help";
  const found = find(COMMANDS, name, rest);
  if (!found) return null;
  if (found.entry.hidden && found.entry.aliasOf === undefined) return INTERNAL;
  return (found.entry.aliasOf ?? found.name).replaceAll(" ", "-");
}

interface Loaded {
  readonly validate: (document: unknown) => boolean;
  readonly complaints: () => string;
  readonly lines: boolean;
  readonly remote: boolean;
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
ajv.addVocabulary([...ANNOTATIONS]);
formats(ajv);
const loaded = new Map<string, Loaded>();

/** Null where there is no such document: a command whose stdout is another protocol's prints errors at most. */
function load(name: string): Loaded | null {
  const known = loaded.get(name);
  if (known) return known;
  const file = path.join(SCHEMAS, `${name}.json`);
  if (!existsSync(file)) return null;
  const schema = JSON.parse(readFileSync(file, "utf8")) as JsonSchema;
  const validate: ValidateFunction = ajv.compile(closed(schema));
  const made = {
    validate: (document: unknown) => validate(document),
    complaints: () => ajv.errorsText(validate.errors),
    lines: schema["x-json-lines"] !== undefined,
    remote: schema["x-remote-exit-code"] === true,
  };
  loaded.set(name, made);
  return made;
}

/** As the schema, and no object has fields that it does not name. */
function closed(schema: JsonSchema): JsonSchema {
  const { properties, items, anyOf } = schema;
  return {
    ...schema,
    ...(properties && {
      additionalProperties: schema.additionalProperties ?? false,
      properties: Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, closed(field)])),
    }),
    ...(items && { items: closed(items) }),
    ...(anyOf && { anyOf: anyOf.map(closed) }),
  };
}
