// What `--json` promises, held against what a run printed: the schemas of docs/schemas, closed, so that a field that nobody
// declared is a failure too. Every run of `runProgram` comes through here; a test that starts the program by itself calls it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import type { JsonSchema } from "../../src/cli/json-schema.ts";
import { splitName } from "../../src/cli/parse.ts";
import { find } from "../../src/cli/registry.ts";
import { COMMANDS } from "../../src/commands/index.ts";
import { EXIT_CODES, type ErrorCode } from "../../src/protocol/errors.ts";

const SCHEMAS = path.resolve(import.meta.dirname, "../../docs/schemas");
/** Where what goes wrong outside of the remote command has one exit code for all. */
const REMOTE = ["exec", "ssh"];

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
  const fail = (what: string): never => {
    throw new Error(`runcode ${words.join(" ")} (exit ${exitCode}): ${what}\n${stdout.slice(0, 4000)}`);
  };
  if (stdout === "") return name === null ? undefined : fail("no document on stdout");
  if (!stdout.endsWith("\n")) fail("the last line is not whole");
  const lines = stdout.slice(0, -1).split("\n");
  const schema = name === null ? null : load(name);
  if (lines.length > 1 && schema?.lines !== true) fail("more than one line on stdout");
  for (const line of lines) {
    let document: unknown;
    try {
      document = JSON.parse(line);
    } catch {
      fail("a line that is no JSON");
    }
    if (schema?.validate(document)) continue;
    const error = load("error");
    if (!error.validate(document))
      fail(`neither an error nor what docs/schemas/${name ?? "…"}.json promises: ${schema?.complaints() ?? "nothing"}`);
    const code = EXIT_CODES[(document as { error: ErrorCode }).error];
    const expected = REMOTE.includes(name ?? "") && code < 128 ? 255 : code;
    if (exitCode !== expected) fail(`this error exits with ${expected}`);
  }
}

/** Which document the words ask for; null where there is none, or no such command. */
function documentOf(own: readonly string[], words: readonly string[]): string | null {
  const { name, words: rest } = splitName(words);
  if (name === "help" || own.includes("--help") || own.includes("-h")) return "help";
  if (name === undefined) return own.includes("--version") || own.includes("-V") ? "version" : "help";
  const found = find(COMMANDS, name, rest);
  if (!found || found.name === "proxy") return null;
  return (found.entry.aliasOf ?? found.name).replaceAll(" ", "-");
}

interface Loaded {
  readonly validate: (document: unknown) => boolean;
  readonly complaints: () => string;
  readonly lines: boolean;
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
ajv.addVocabulary(["x-open", "x-json-lines"]);
formats(ajv);
const loaded = new Map<string, Loaded>();

function load(name: string): Loaded {
  const known = loaded.get(name);
  if (known) return known;
  const schema = JSON.parse(readFileSync(path.join(SCHEMAS, `${name}.json`), "utf8")) as JsonSchema;
  const validate: ValidateFunction = ajv.compile(closed(schema));
  const made = {
    validate: (document: unknown) => validate(document),
    complaints: () => ajv.errorsText(validate.errors),
    lines: schema["x-json-lines"] !== undefined,
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
