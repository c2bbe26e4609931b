// The digest of a workspace as a resource, for clients that put one into the conversation by themselves.
import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceTemplate,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Calls } from "./calls.ts";
import { errorOf } from "./results.ts";
import contextTool from "./tools/context.ts";

const WHAT = {
  description: "System, project, git, tools, room and open ports of the workspace, as it says them of itself",
  mimeType: "application/json",
};

/** The rest is no fault of the request. */
const ASKED_WRONGLY: ReadonlySet<string> = new Set(["usage", "not_found", "ambiguous", "not_attached"]);

export function addResources(server: McpServer, calls: Calls): void {
  const read = async (uri: URL, context: ServerContext, workspace?: string) => {
    const args = workspace === undefined ? {} : { workspace };
    const { structured } = await calls.run(contextTool, args, context).catch((thrown: unknown) => {
      // There is no result that could carry a failure here.
      const error = errorOf(thrown);
      const code = ASKED_WRONGLY.has(error.code) ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
      throw new ProtocolError(code, error.message, error.toJSON());
    });
    return { contents: [{ uri: uri.href, mimeType: WHAT.mimeType, text: JSON.stringify(structured) }] };
  };
  server.registerResource(
    "context",
    "runcode://context",
    {
      title: "The workspace",
      ...WHAT,
      description: `${WHAT.description}: of the one that was connected here, else the attached one`,
    },
    (uri, context) => read(uri, context),
  );
  const template = new ResourceTemplate("runcode://workspace/{name}/context", {
    list: async () => ({
      resources: (await calls.titles()).map((title) => ({
        uri: `runcode://workspace/${encodeURIComponent(title)}/context`,
        name: title,
      })),
    }),
    complete: { name: async (begun) => (await calls.titles()).filter((title) => title.startsWith(begun)) },
  });
  server.registerResource("workspace-context", template, { title: "A workspace", ...WHAT }, (uri, { name }, context) =>
    read(uri, context, decodeURIComponent(String(name))),
  );
}
