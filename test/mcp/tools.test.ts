// What a client is told before it calls anything, in both generations of the protocol.
import { spawn } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench, type Bench } from "../commands/workspace.ts";
import { BINARY } from "../harness/index.ts";
import { agent, type Agent } from "./fixture.ts";

let home: Bench;
beforeAll(async () => {
  home = await bench();
});
afterAll(() => home.close());

/** name → read only, destructive, idempotent, open world */
const HINTS: Record<string, readonly [boolean, boolean, boolean, boolean]> = {
  list: [true, false, true, false],
  connect: [false, false, true, false],
  context: [true, false, true, false],
  exec: [false, true, false, true],
  job_status: [true, false, true, false],
  job_logs: [true, false, true, false],
  job_kill: [false, true, true, false],
  read: [true, false, true, false],
  write: [false, true, true, false],
  edit: [false, true, false, false],
  glob: [true, false, true, false],
  grep: [true, false, true, false],
  put: [false, true, true, false],
  get: [false, true, true, false],
  port_forward: [false, false, true, false],
  disconnect: [false, false, true, false],
};

describe.each([
  ["the protocol of 2025", undefined],
  ["the protocol of 2026", { mode: "auto" as const }],
])("in %s", (_, versionNegotiation) => {
  let seat: Agent;
  beforeAll(async () => {
    seat = await agent(home, versionNegotiation ? { versionNegotiation } : {});
  });
  afterAll(() => seat.close());

  test("the server says what it is and how it is meant to be used", async () => {
    expect(seat.client.getServerVersion()).toMatchObject({
      name: "runcode",
      version: expect.stringMatching(/^\d+\.\d+/),
    });
    expect(seat.client.getInstructions()).toContain("Begin with list, then connect");
  });

  test("every tool says truly what it does to the world", async () => {
    const { tools } = await seat.client.listTools();
    const hints = Object.fromEntries(
      tools.map(({ name, annotations: a }) => [
        name,
        [a?.readOnlyHint, a?.destructiveHint, a?.idempotentHint, a?.openWorldHint],
      ]),
    );
    expect(hints).toEqual(HINTS);
  });

  test("every tool has a title, a description and two closed or complete schemas", async () => {
    const { tools } = await seat.client.listTools();
    for (const { name, title, description, inputSchema, outputSchema } of tools) {
      expect(title, name).toMatch(/^[A-Z]/);
      expect(description?.length, name).toBeGreaterThan(40);
      expect(inputSchema, name).toMatchObject({ type: "object", additionalProperties: false });
      expect(outputSchema, name).toMatchObject({ type: "object" });
      for (const [field, schema] of Object.entries(inputSchema.properties ?? {})) {
        const said = JSON.stringify(schema);
        expect(said.includes('"description"') || said.includes('"enum"'), `${name}.${field}`).toBe(true);
      }
    }
  });

  test("the digest is a resource, and a template for each workspace", async () => {
    const { resources } = await seat.client.listResources();
    expect(resources.map(({ uri }) => uri)).toContain("runcode://context");
    const { resourceTemplates } = await seat.client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(["runcode://workspace/{name}/context"]);
  });

  test("arguments that the schema does not allow are told as a failure of the tool, with every field", async () => {
    const failure = await seat.fails("read", { file: "a.txt", offset: 0 });
    expect(failure).toMatchObject({ error: "usage", hint: expect.any(String) });
    for (const field of ["path", "file", "offset"]) expect(failure.message).toContain(field);
  });

  test("a tool that is not there is an error of the protocol", async () => {
    await expect(seat.client.callTool({ name: "rm", arguments: {} })).rejects.toThrow(/rm/);
  });

  test("nothing connected and nothing attached is told with what to do", async () => {
    expect(await seat.fails("exec", { command: "true" })).toMatchObject({
      error: "not_attached",
      hint: expect.any(String),
    });
  });
});

describe("on the bare streams", () => {
  const open = (env: Readonly<Record<string, string>>) => {
    const child = spawn(BINARY, ["mcp"], { env, cwd: path.join(home.home.dir, "project") });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].on("data", (chunk: Buffer) => (said[name] += chunk.toString()));
    const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
    const line = async (count: number): Promise<void> => {
      while (said.stdout.split("\n").length <= count)
        await new Promise((resolve) => child.stdout.once("data", resolve));
    };
    return { child, said, exit, line };
  };
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "bare", version: "1" } },
  };

  test("stdout carries messages and nothing else, and the end of stdin is the end of the server", async () => {
    const { child, said, exit, line } = open({ ...home.env, FORCE_COLOR: "1" });
    child.stdin.write(
      `${JSON.stringify(initialize)}\nthis is no message\n{"jsonrpc":"2.0","neither":true}\n{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n`,
    );
    await line(2);
    child.stdin.end();
    expect(await exit).toBe(0);
    const lines = said.stdout.trimEnd().split("\n");
    expect(lines.map((each) => (JSON.parse(each) as { jsonrpc: string }).jsonrpc)).toEqual(lines.map(() => "2.0"));
    expect(said.stderr).toContain("runcode:");
  });

  test("a signal ends it in good order", async () => {
    const { child, exit, line } = open({ ...home.env });
    child.stdin.write(`${JSON.stringify(initialize)}\n`);
    await line(1);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
  });

  test("a client that is gone at once leaves nothing behind", async () => {
    const { child, exit } = open({ ...home.env });
    child.stdin.end();
    child.stdout.destroy();
    expect(await exit).toBe(0);
  });
});
