import * as v from "valibot";
import { text } from "./fields.ts";
import { workspaceEntries } from "./workspace.ts";

export default v.array(
  v.object({
    ...workspaceEntries,
    isolation: v.exactOptional(
      v.pipe(
        text("how it is kept apart from its host, where the control plane tells"),
        v.examples(["none", "namespaces", "container"]),
      ),
    ),
  }),
);
