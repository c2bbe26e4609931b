import * as v from "valibot";
import { surveyOf } from "../../bundle/survey.ts";
import { workspace } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";

const text = v.nullable(v.string());
const number = v.nullable(v.number());

export default defineTool({
  name: "context",
  title: "Tell what the workspace is",
  description: `System, project, git, tools, room and open ports, in one round trip: worth asking once before anything else. \
What the workspace says of itself is its own claim.`,
  annotations: READS,
  input: v.strictObject({ workspace }),
  output: v.object({
    workspace_id: v.number(),
    title: v.string(),
    cwd: text,
    user: text,
    shell: text,
    os: text,
    kernel: text,
    arch: text,
    git: v.nullable(v.object({ branch: text, head: text, dirty: number, remote: text })),
    markers: v.array(v.string()),
    tools: v.record(v.string(), v.string()),
    disk: v.nullable(v.object({ total_bytes: v.number(), available_bytes: v.number() })),
    cpu: v.object({ count: number, load: number }),
    memory: v.object({ total_bytes: number, available_bytes: number }),
    ports: v.array(v.object({ address: v.string(), port: v.number() })),
  }),
  async run({ workspace }, call) {
    const session = await call.session(workspace);
    const survey = await surveyOf(await call.sessions(), session, call.signal);
    return { structured: { workspace_id: session.workspaceId, title: session.title, ...survey } };
  },
});
