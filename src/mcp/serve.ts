// The Model Context Protocol on stdio. `serve.ts` binds a server to the streams and ends everything with them; `tools/` has one file for
// each tool and a table of them; `calls.ts` stands between the two. stdout carries messages of the protocol and nothing else.
import { Readable, Writable } from "node:stream";
import {
  CLIENT_CAPABILITIES_META_KEY,
  McpServer,
  type ClientCapabilities,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import type { Streams } from "../platform/streams.ts";
import { Calls } from "./calls.ts";
import { INSTRUCTIONS } from "./instructions.ts";
import { addResources } from "./resources.ts";
import type { McpDeps, Tool } from "./tool.ts";
import { TOOLS } from "./tools/index.ts";

/** A client that sends more than this in one message is hung up on: it is the content of a file that `write` takes. In bytes. */
const LONGEST_MESSAGE = 64 * 1024 * 1024;

export interface ServeOptions {
  readonly streams: Streams;
  readonly version: string;
  /** Directories of this machine that put and get may use beside the client's roots. */
  readonly allowed: readonly string[];
  /** Told what went wrong with the connection itself. */
  readonly onError: (message: string) => void;
  /** Called once, with what makes the end a quick one. */
  readonly onHurry: (hurry: () => void) => void;
}

/** Serves until the client closes stdin or `deps.signal` is aborted; resolves when nothing that was begun here goes on. */
export async function serveMcp(
  deps: McpDeps,
  { streams, version, allowed, onError, onHurry }: ServeOptions,
): Promise<void> {
  const calls = new Calls(deps, allowed);
  onHurry(() => calls.hurry());
  const stdout = new Writable({ write: (chunk: Uint8Array, _, done) => void streams.stdout.write(chunk, done) });
  const transport = new StdioServerTransport(Readable.from(buffers(streams.stdin)), stdout, {
    maxBufferSize: LONGEST_MESSAGE,
  });
  const connection = serveStdio(() => server(calls, version), {
    transport,
    onerror: ({ message }) => onError(message),
  });
  const closed = Promise.withResolvers<void>();
  const close = transport.onclose;
  transport.onclose = () => {
    close?.();
    closed.resolve();
  };
  const stop = (): void => void connection.close();
  if (deps.signal.aborted) stop();
  deps.signal.addEventListener("abort", stop, { once: true });
  await closed.promise;
  deps.signal.removeEventListener("abort", stop);
  await calls.close();
}

/** The SDK looks for line ends as only a Buffer can. */
async function* buffers(input: Streams["stdin"]): AsyncGenerator<Buffer> {
  for await (const chunk of input)
    yield typeof chunk === "string"
      ? Buffer.from(chunk)
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** One for each connection; a client that first asks which protocol is spoken gets two of them. */
function server(calls: Calls, version: string): McpServer {
  const mcp = new McpServer(
    { name: "runcode", title: "runcode: remote workspaces", version },
    { capabilities: { tools: { listChanged: false }, resources: { listChanged: false } }, instructions: INSTRUCTIONS },
  );
  for (const tool of TOOLS) addTool(mcp, tool, calls);
  addResources(mcp, calls);
  return mcp;
}

function addTool(mcp: McpServer, tool: Tool, calls: Calls): void {
  const { name, title, description, annotations, input, output } = tool;
  const described = toStandardJsonSchema(input)["~standard"];
  // The arguments are checked by the call itself, so that what is wrong with them is told as every other failure is.
  const unchecked = { ...described, validate: (value: unknown) => ({ value }) };
  mcp.registerTool(
    name,
    {
      title,
      description,
      annotations,
      inputSchema: { "~standard": unchecked },
      outputSchema: toStandardJsonSchema(output),
    },
    (args: unknown, context) => calls.answer(tool, args, context, givesRoots(mcp, context)),
  );
}

/** Whether the client can be asked for its roots: it says so with each request, in the older protocol once at the beginning. */
function givesRoots(mcp: McpServer, { mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as Readonly<Record<string, ClientCapabilities | undefined>> | undefined;
  return (envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? mcp.server.getClientCapabilities())?.roots !== undefined;
}
