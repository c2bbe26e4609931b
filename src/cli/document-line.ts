// A document's schema on a line, as help and the man pages show it: {id,title,custom_title,checks:[{name,status,fix?}]}.
import type { JsonSchema } from "./json-schema.ts";

/** Takes a schema; gives its outline, one line for each document that the command may print, with the case it is for. */
export function outline(schema: JsonSchema): string[] {
  const lines = (schema.anyOf ?? [schema]).map((each) =>
    schema.anyOf && each.title ? `${each.title}: ${shape(each)}` : shape(each),
  );
  const several = schema["x-json-lines"];
  return several === undefined ? lines : [...lines, `JSON lines ${several}.`];
}

function shape(schema: JsonSchema): string {
  const { properties, required = [], items } = schema;
  if (items) return `[${shape(items)}]`;
  if (!properties) return schema.additionalProperties ? "{}" : "";
  const fields = Object.entries(properties).map(([name, field]) => {
    const inner = shape(field);
    const brackets = inner.startsWith("[]") || inner === "{}" || inner === "";
    return `${name}${required.includes(name) ? "" : "?"}${brackets ? inner : `:${inner}`}`;
  });
  return `{${fields.join(",")}}`;
}
