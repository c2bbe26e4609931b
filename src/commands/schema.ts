import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Print the JSON Schema of what a command prints with --json",
  description:
    "Draft 2020-12, with what each field says and in which unit. `error` is the object that any command prints where it fails. " +
    "Without a name it lists what there is. Later versions may add fields, and never change or remove one.",
  positionals: { command: { arity: "many", summary: "a command's name, or error, help, version", complete: "schema" } },
  examples: [
    ["runcode schema", "which there are"],
    ["runcode schema exec", "what `runcode exec --json` prints"],
    ["runcode schema serve token", "a command of two words; serve-token is the same"],
    ["runcode schema error | jq -r '.properties.error.enum[]'", "every error code"],
  ],
  schema: () => import("../protocol/output/schema.ts"),
  async run({ command: words }, context) {
    const { allSchemas, schemaFile } = await import("../cli/json-schema.ts");
    const all = await allSchemas(await context.commands());
    if (words.length === 0) {
      const { table } = await import("../cli/output.ts");
      const schemas = all.map(({ name, schema: { $id, title } }) => ({ name, id: $id, title }));
      return { json: { schemas }, text: table(schemas.map(({ name, title }) => [name, title])) };
    }
    const asked = words.join(" ");
    const named = context.commandNamed(words) ?? asked;
    const found = all.find(({ name }) => name === named || schemaFile(name) === asked);
    if (found) return { json: { ...found.schema }, text: JSON.stringify(found.schema, null, 2) };
    const { nearest } = await import("../cli/nearest.ts");
    const near = nearest(
      asked,
      all.map(({ name }) => name),
    );
    throw new RuncodeError("not_found", `there is no schema of ${JSON.stringify(asked)}`, {
      hint: near === undefined ? "runcode schema lists them" : `did you mean: runcode schema ${near}`,
    });
  },
});
