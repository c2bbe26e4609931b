// The SDK's own client, speaking to the built program, which speaks to a real server with real workspaces.
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import path from "node:path";
import { BINARY } from "../harness/index.ts";
import { bench, type Bench } from "../commands/workspace.ts";

export interface Agent {
  readonly client: Client;
  /** Of the server. */
  readonly pid: number;
  /** What the server said on stderr so far. */
  stderr(): string;
  /** Calls a tool that must succeed; gives its structured content. */
  ok<T = Record<string, unknown>>(name: string, args?: Record<string, unknown>): Promise<T>;
  /** Calls a tool that must fail; gives the error object and what stands beside it. */
  fails(
    name: string,
    args?: Record<string, unknown>,
  ): Promise<{ error: string; message: string; hint?: string; beside: string }>;
  /** The text of a tool that must succeed. */
  text(name: string, args?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export interface Desk {
  readonly home: Bench;
  readonly seat: Agent;
  /** The project directory of the workspace, which without isolation is a directory of this machine. */
  readonly project: string;
  readonly close: () => Promise<void>;
}

/** A bench, and an agent that is connected to a workspace `desk` on it. */
export async function desk(): Promise<Desk> {
  const home = await bench();
  await home.workspace("desk");
  const seat = await agent(home);
  const { workdir } = await seat.ok<{ workdir: string }>("connect", { workspace: "desk" });
  return {
    home,
    seat,
    project: workdir,
    close: async () => {
      await seat.close();
      await home.close();
    },
  };
}

export interface AgentOptions extends ClientOptions {
  readonly words?: readonly string[];
  /** A program and its arguments that start the server. */
  readonly before?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Directories that the client names when it is asked for its roots. */
  readonly roots?: readonly string[];
}

interface ToolResult {
  readonly isError?: boolean;
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
}

/** Starts `runcode mcp` in the project directory of the bench's home and connects. */
export async function agent(
  bench: Bench,
  { words = [], before = [], cwd, env, roots, ...options }: AgentOptions = {},
): Promise<Agent> {
  const [command, ...args] = [...before, BINARY, "mcp", ...words] as [string, ...string[]];
  const transport = new StdioClientTransport({
    command,
    args,
    env: { ...bench.env, ...env },
    cwd: cwd ?? path.join(bench.home.dir, "project"),
    stderr: "pipe",
  });
  let said = "";
  transport.stderr?.on("data", (chunk: Buffer) => void (said += chunk.toString()));
  const client = new Client(
    { name: "test", version: "1" },
    { ...options, capabilities: roots === undefined ? {} : { roots: {} } },
  );
  if (roots !== undefined)
    client.setRequestHandler("roots/list", () => ({
      roots: roots.map((dir) => ({ uri: new URL(`file://${dir}`).href })),
    }));
  await client.connect(transport);
  const call = async (name: string, args: Record<string, unknown> = {}): Promise<ToolResult> =>
    (await client.callTool({ name, arguments: args })) as ToolResult;
  const texts = ({ content }: ToolResult): string[] => content.map(({ text }) => text ?? "");
  const must = (result: ToolResult, name: string): ToolResult => {
    if (result.isError) throw new Error(`${name} failed: ${texts(result).join("\n")}`);
    return result;
  };
  return {
    client,
    pid: transport.pid as number,
    stderr: () => said,
    async ok<T>(name: string, args?: Record<string, unknown>) {
      return must(await call(name, args), name).structuredContent as T;
    },
    async fails(name, args) {
      const result = await call(name, args);
      if (!result.isError) throw new Error(`${name} was to fail: ${texts(result).join("\n")}`);
      const [error = "", ...beside] = texts(result);
      return { ...(JSON.parse(error) as { error: string; message: string }), beside: beside.join("\n") };
    },
    async text(name, args) {
      return texts(must(await call(name, args), name)).join("\n");
    },
    close: () => client.close(),
  };
}
