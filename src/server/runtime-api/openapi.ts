// The OpenAPI document, written from the schemas that requests are parsed by, so that it cannot say anything else than they do.
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { RuntimeErrorAnswer, ValidationErrorAnswer } from "../../protocol/runtime-api.ts";
import type { Operation } from "./operations.ts";

type Json = Readonly<Record<string, unknown>>;

const REASONS: Readonly<Record<number, string>> = {
  200: "Done",
  201: "Started",
  400: "It cannot be done; `detail` says why",
  401: "X-API-Key is missing or wrong",
  404: "There is no such runtime",
  422: "The request is not valid; `detail` lists all that is wrong",
  503: "No container engine answers",
};

export interface OpenApiOptions {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly operations: readonly Operation[];
  readonly needsKey: boolean;
}

/** Gives a document of OpenAPI 3.1, whose schemas are JSON Schema as they are. */
export function openApi({ title, description, version, operations, needsKey }: OpenApiOptions): Json {
  const schemas: Record<string, Json> = {};
  const refTo = (name: string, schema: v.GenericSchema): Json => {
    schemas[name] ??= jsonSchema(schema);
    return { $ref: `#/components/schemas/${name}` };
  };
  const content = (name: string, schema: v.GenericSchema): Json => ({
    "application/json": { schema: refTo(name, schema) },
  });
  const failure = (status: number): Json => ({
    description: REASONS[status],
    content:
      status === 422 ? content("ValidationErrorAnswer", ValidationErrorAnswer) : content("Error", RuntimeErrorAnswer),
  });
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const [status, name, schema] = operation.answer;
    const failures = [...operation.failures, ...(needsKey ? [401] : []), 503];
    const parameters = [
      ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, key]) => parameter(key as string, "path")),
      ...(operation.query === undefined ? [] : [parameter(operation.query, "query")]),
    ];
    const answers = {
      [status]: { description: REASONS[status], content: content(name, schema) },
      ...Object.fromEntries(failures.map((code) => [code, failure(code)])),
    };
    (paths[operation.path] ??= {})[operation.method] = {
      operationId: operation.id,
      summary: operation.summary,
      description: operation.description,
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(operation.request ? { requestBody: { required: true, content: content(...operation.request) } } : {}),
      responses: answers,
    };
  }
  return {
    openapi: "3.1.0",
    info: { title, description, version },
    ...(needsKey ? { security: [{ key: [] }] } : {}),
    paths,
    components: {
      schemas,
      ...(needsKey ? { securitySchemes: { key: { type: "apiKey", in: "header", name: "X-API-Key" } } } : {}),
    },
  };
}

const parameter = (name: string, place: "path" | "query"): Json => ({
  name,
  in: place,
  required: true,
  schema: { type: "string" },
});

function jsonSchema(schema: v.GenericSchema): Json {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    typeMode: "input",
    target: "draft-2020-12",
    // They are described by the metadata beside them.
    ignoreActions: ["raw_transform", "check"],
  });
  return rest as Json;
}
