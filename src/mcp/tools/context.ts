import * as v from "valibot";
import { surveyOf } from "../../bundle/survey.ts";
import Context from "../../protocol/output/context.ts";
import { workspace } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";

export default defineTool({
  name: "context",
  title: "Tell what the workspace is",
  description: `System, project, git, tools, room and open ports, in one round trip: worth asking once before anything else. \
What the workspace says of itself is its own claim.`,
  annotations: READS,
  input: v.strictObject({ workspace }),
  output: Context,
  async run({ workspace }, call) {
    const session = await call.session(workspace);
    const survey = await surveyOf(await call.sessions(), session, call.signal);
    return { structured: { workspace_id: session.workspaceId, title: session.title, ...survey } };
  },
});
