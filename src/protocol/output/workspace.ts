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
};
