// A workspace as `list` and `create` print it, and its state, which `start` prints as well.
import * as v from "valibot";
import { WORKSPACE_STATES } from "../workspace.ts";
import { flag, id, text } from "./fields.ts";

export const state = v.pipe(
  v.string(),
  v.description("as the control plane says it; only a running one takes commands"),
  v.examples([...WORKSPACE_STATES]),
);

export const workspaceEntries = {
  id: id("the workspace's number"),
  title: text("its name, and the SSH user name of its sessions"),
  custom_title: v.nullable(text("what it is called besides; any text")),
  state,
  shared: flag("whether it is somebody else's"),
  connectable: flag("whether SSH reaches it"),
  isolation: v.exactOptional(
    v.pipe(
      text("how it is kept apart from its host, where the control plane tells"),
      v.examples(["none", "namespaces", "container"]),
    ),
  ),
  problem: v.exactOptional(text("what is wrong with it, where the control plane tells")),
  labels: v.exactOptional(
    v.pipe(v.record(v.string(), v.string()), v.description("what was noted about it, where anything was")),
  ),
};
