// The OpenAPI document, written from the schemas that requests are parsed by, so that it cannot say anything else than they do.
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { RuntimeErrorAnswer, ValidationErrorAnswer } from "../../protocol/runtime-api.ts";
import { failuresOf, type Guards, type Operation } from "./operations.ts";

type Json = Readonly<Record<string, unknown>>;

const REASONS: Readonly<Record<number, string>> = {
  200: "Done",
  201: "Started",
  400: "It cannot be done; `detail` says why",
  401: "X-API-Key is missing or wrong",
  404: "There is no such runtime",
  413: "The body is larger than 1 MiB",
  421: "The server has another name than the one it was asked under",
  422: "The request is not valid; `detail` lists all that is wrong",
  429: "Too many wrong keys; `Retry-After` says when to come back",
  503: "No container engine answers",
};

export interface OpenApiOptions extends Guards {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly operations: readonly Operation[];
}

/** Gives a document of OpenAPI 3.1, whose schemas are JSON Schema as they are. */
export function openApi({ title, description, version, operations, ...guards }: OpenApiOptions): Json {
  const { needsKey } = guards;
  const schemas: Record<string, Json> = {};
  const refTo = (name: string, schema: v.GenericSchema): Json => {
    schemas[name] ??= jsonSchema(schema);
    return { $ref: `#/components/schemas/${name}` };
  };
  const content = (name: string, schema: v.GenericSchema, example?: object): Json => ({
    "application/json": { schema: refTo(name, schema), ...(example ? { example } : {}) },
  });
  const failure = (status: number): Json => ({
    description: REASONS[status],
    content:
      status === 422 ? content("ValidationErrorAnswer", ValidationErrorAnswer) : content("Error", RuntimeErrorAnswer),
  });
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const [status, name, schema] = operation.answer;
    const { query, request, example } = operation;
    const parameters = [
      ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => inPath(name as string)),
      ...(query
        ? [{ name: query.name, in: "query", required: query.required, description: query.about, schema: query.schema }]
        : []),
    ];
    const answers = {
      [status]: { description: REASONS[status], content: content(name, schema) },
      ...Object.fromEntries(failuresOf(operation, guards).map((code) => [code, failure(code)])),
    };
    (paths[operation.path] ??= {})[operation.method] = {
      operationId: operation.id,
      summary: operation.summary,
      description: operation.description,
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(request ? { requestBody: { required: true, content: content(...request, example) } } : {}),
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

const inPath = (name: string): Json => ({ name, in: "path", required: true, schema: { type: "string" } });

function jsonSchema(schema: v.GenericSchema): Json {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    typeMode: "input",
    target: "draft-2020-12",
    // They are described by the metadata beside them.
    ignoreActions: ["raw_transform", "check"],
  });
  return rest as Json;
}
