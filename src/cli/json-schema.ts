// The schemas of what `--json` prints, as JSON Schema (draft 2020-12), made of the commands' declarations. Loaded where somebody
// asks for them: `runcode schema`, help, man pages, what writes docs/schemas. Running a command never comes here.
import { toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import type { Command } from "./define.ts";

/** The part of JSON Schema that is used here. */
export interface JsonSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly const?: string | number | boolean | null;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly examples?: readonly unknown[];
  /** An annotation of ours: more values may be added to `enum`, and readers must expect them. */
  readonly "x-open"?: true;
  /** An annotation of ours: in which case stdout has several documents, one on each line. */
  readonly "x-json-lines"?: string;
}

/** The schema of a whole document. */
export interface DocumentSchema extends JsonSchema {
  readonly $schema: string;
  readonly $id: string;
  readonly title: string;
}

/** A document by its name: a command's, or one that every command may print. */
export interface NamedSchema {
  readonly name: string;
  readonly schema: DocumentSchema;
}

/** What every command may print. */
const COMMON: readonly (readonly [name: string, title: string, load: () => Promise<{ default: GenericSchema }>])[] = [
  ["error", "What any command prints where it fails", () => import("../protocol/output/error.ts")],
  ["help", "What --help prints", () => import("../protocol/output/help.ts")],
  ["version", "What --version prints", () => import("../protocol/output/version.ts")],
];

/** The names of all documents: of the commands that print one, in their order, and of the common ones. */
export function schemaNames<C>(commands: readonly (readonly [name: string, command: Command<C>])[]): readonly string[] {
  const own = commands.flatMap(([name, { schema }]) => (schema === null ? [] : [name]));
  return [...own, ...COMMON.map(([name]) => name)];
}

/** Gives every document there is, the commands' in their order and then the common ones. Commands that print none are left out. */
export async function allSchemas<C>(
  commands: readonly (readonly [name: string, command: Command<C>])[],
): Promise<readonly NamedSchema[]> {
  const own = commands.map(async ([name, command]) => ({ name, schema: await commandSchema(name, command) }));
  const common = COMMON.map(async ([name, title, load]) => ({
    name,
    schema: convert(name, title, (await load()).default),
  }));
  const all = await Promise.all([...own, ...common]);
  return all.flatMap(({ name, schema }) => (schema === null ? [] : [{ name, schema }]));
}

/** The document of one command; null where it prints none. */
export async function commandSchema<C>(name: string, command: Command<C>): Promise<DocumentSchema | null> {
  if (command.schema === null) return null;
  const schema = convert(name, `What \`runcode ${name} --json\` prints`, (await command.schema()).default);
  return command.jsonLines === undefined ? schema : { ...schema, "x-json-lines": command.jsonLines };
}

/** `serve token` → `serve-token`: the file's name, and another way to ask for it. */
export function schemaFile(name: string): string {
  return name.replaceAll(" ", "-");
}

function convert(name: string, title: string, schema: GenericSchema): DocumentSchema {
  const { $schema, ...rest } = toJsonSchema(schema, { target: "draft-2020-12" }) as unknown as DocumentSchema;
  return { $schema, $id: `https://runcode.io/schemas/${schemaFile(name)}.json`, title, ...orNull(rest) };
}

/** `{anyOf:[X,null]}` as X with null among its types, so that what is said of X stands where people look. */
function orNull(schema: JsonSchema): JsonSchema {
  const { anyOf, properties, items, ...rest } = schema;
  const [value, none] = anyOf ?? [];
  if (anyOf?.length === 2 && typeof value?.type === "string" && !value.enum && none?.type === "null")
    return { ...rest, ...orNull(value), type: [value.type, "null"] };
  return {
    ...rest,
    ...(anyOf && { anyOf: anyOf.map(orNull) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, orNull(field)])),
    }),
    ...(items && { items: orNull(items) }),
  };
}
