import * as v from "valibot";
import { list, text } from "./fields.ts";

export default v.union([
  v.object({
    schemas: list(
      v.object({
        name: text("what `runcode schema` takes: a command, or error, help, version"),
        id: text("the schema's $id"),
        title: text("whose document it describes"),
      }),
      "every document there is",
    ),
  }),
  v.pipe(
    v.objectWithRest(
      {
        $schema: text("draft 2020-12"),
        $id: text("its own name"),
        title: text("whose document it describes"),
      },
      v.unknown(),
    ),
    v.title("with a name, that JSON Schema"),
  ),
]);
