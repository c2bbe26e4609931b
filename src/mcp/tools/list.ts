import * as v from "valibot";
import { describeWorkspace } from "../../bundle/describe.ts";
import List from "../../protocol/output/list.ts";
import { flag } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";

export default defineTool({
  name: "list",
  title: "List workspaces",
  description: "The workspaces of the account and their states. One that is stopped is started by connect.",
  annotations: READS,
  input: v.strictObject({ all: flag("those that SSH cannot reach as well") }),
  output: v.object({ workspaces: List }),
  async run({ all }, call) {
    const found = await (await call.api()).list(call.signal);
    const workspaces = found.filter(({ connectable }) => all || connectable).map(describeWorkspace);
    return { structured: { workspaces: workspaces } };
  },
});
