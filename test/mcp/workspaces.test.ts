// Which workspaces there are, which one is acted on, what it says of itself, and its ports.
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bench, type Bench } from "../commands/workspace.ts";
import { runProgram } from "../harness/index.ts";
import { agent, type Agent } from "./fixture.ts";

let home: Bench;
let seat: Agent;
let id: number;
beforeAll(async () => {
  home = await bench();
  id = await home.workspace("desk");
  seat = await agent(home);
});
afterAll(async () => {
  await seat.close();
  await home.close();
});

interface Listed {
  readonly workspaces: { id: number; title: string; state: string }[];
}

describe("list and connect", () => {
  test("the workspaces are listed as the command lists them", async () => {
    const { workspaces } = await seat.ok<Listed>("list");
    expect(workspaces).toEqual((await home.ok(["list", "--json"])).json());
    expect(workspaces.find(({ title }) => title === "desk")).toMatchObject({ id, state: "running" });
  });

  test("a stopped workspace is started where that is asked for, and says how far it is", async () => {
    await home.ok(["create", "sleepy", "--json"]);
    expect(await seat.fails("connect", { workspace: "sleepy" })).toMatchObject({ error: "conflict" });
    const heard: string[] = [];
    const result = await seat.client.callTool(
      { name: "connect", arguments: { workspace: "sleepy", start: true } },
      { onprogress: ({ message }) => void heard.push(message ?? "") },
    );
    expect(result.structuredContent).toMatchObject({ title: "sleepy", started: true });
    expect(heard.length).toBeGreaterThan(0);
    expect(await seat.ok("exec", { command: "true" })).toMatchObject({ workspace: "sleepy" });
    expect((await home.ok(["current", "--json"])).json()).toMatchObject({ title: "sleepy" });
  });

  test("a session is used again, by its title or its number", async () => {
    await seat.ok("connect", { workspace: "desk" });
    expect(await seat.ok("connect", { workspace: String(id) })).toMatchObject({ workspace_id: id, reused: true });
  });

  test("a workspace that is not there", async () => {
    expect(await seat.fails("connect", { workspace: "nobody" })).toMatchObject({ error: "not_found" });
  });
});

describe("context", () => {
  test("tells what the command tells", async () => {
    await seat.ok("connect", { workspace: "desk" });
    const told = await seat.ok("context");
    expect(told).toMatchObject({ workspace_id: id, title: "desk", arch: expect.any(String) });
    expect(await seat.fails("context", { workspace: "nobody" })).toMatchObject({ error: "not_found" });
  });

  test("is a resource: of what is connected, and of each workspace by its name", async () => {
    const read = async (uri: string): Promise<Record<string, unknown>> => {
      const { contents } = await seat.client.readResource({ uri });
      return JSON.parse((contents[0] as { text: string }).text) as Record<string, unknown>;
    };
    await home.workspace("shelf");
    for (const workspace of ["shelf", "desk"]) await seat.ok("connect", { workspace });
    expect(await read("runcode://context")).toMatchObject({ title: "desk" });
    expect(await read("runcode://workspace/shelf/context")).toMatchObject({ title: "shelf" });
    const { resources } = await seat.client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(
      expect.arrayContaining([
        "runcode://context",
        "runcode://workspace/desk/context",
        "runcode://workspace/shelf/context",
      ]),
    );
    const ref = { type: "ref/resource" as const, uri: "runcode://workspace/{name}/context" };
    const { completion } = await seat.client.complete({ ref, argument: { name: "name", value: "de" } });
    expect(completion.values).toEqual(["desk"]);
    await expect(read("runcode://workspace/nobody/context")).rejects.toMatchObject({ data: { error: "not_found" } });
    await expect(read("runcode://elsewhere")).rejects.toThrow();
  });
});

describe("port_forward", () => {
  beforeEach(async () => void (await seat.ok("connect", { workspace: "desk" })));

  interface Forwards {
    readonly forwards: { local: number; remote: number; url: string; alive?: boolean }[];
    readonly cancelled?: object[];
  }

  test("opens, lists and ends, and the workspace's port answers here", async () => {
    const server = createServer((socket) => socket.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const { forwards } = await seat.ok<Forwards>("port_forward", { ports: [String(port)] });
      const [forward] = forwards;
      expect(forward).toMatchObject({ remote: port });
      const answer = await new Response(
        new ReadableStream({
          async start(controller) {
            await Bun.connect({
              hostname: "127.0.0.1",
              port: forward?.local as number,
              socket: {
                data: (_, bytes) => controller.enqueue(Uint8Array.from(bytes)),
                close: () => controller.close(),
              },
            });
          },
        }),
      ).text();
      expect(answer).toBe("hello");
      const again = await seat.ok<Forwards>("port_forward", { ports: [String(port)] });
      expect(again.forwards).toEqual(forwards);
      const { forwards: listed } = await seat.ok<Forwards>("port_forward", { action: "list" });
      expect(listed).toMatchObject([{ remote: port, alive: true }]);
      expect(await seat.ok<Forwards>("port_forward", { action: "cancel", ports: [String(port)] })).toMatchObject({
        cancelled: [{ remote: port }],
        forwards: [],
      });
    } finally {
      server.close();
    }
  });

  test.each([
    ["no port", {}, "usage"],
    ["what is no port", { ports: ["99999"] }, "usage"],
    ["a socket", { ports: ["/var/run/docker.sock"] }, "usage"],
    ["a forward that is not there", { action: "cancel", ports: ["4242"] }, "not_found"],
    ["the other direction", { ports: ["4242"], reverse: true }, "usage"],
  ])("%s is a failure", async (_, args, error) => {
    expect(await seat.fails("port_forward", args)).toMatchObject({ error });
  });
});

describe("disconnect", () => {
  test("forgets the workspace, its key and the attachment, and then nothing is connected", async () => {
    await seat.ok("connect", { workspace: "desk" });
    expect(await seat.ok("disconnect")).toMatchObject({ disconnected: true, workspace_id: id, session_removed: true });
    expect(await seat.fails("exec", { command: "true" })).toMatchObject({ error: "not_attached" });
    expect(await seat.ok("disconnect")).toMatchObject({ disconnected: false });
  });

  test("leaves alone what somebody else attached meanwhile", async () => {
    await home.workspace("theirs");
    await seat.ok("connect", { workspace: "desk" });
    await home.ok(["connect", "theirs"]);
    await seat.ok("disconnect", { keep: true });
    expect((await home.ok(["current", "--json"])).json()).toMatchObject({ title: "theirs" });
    expect(await seat.ok("exec", { command: "true" })).toMatchObject({ workspace: "theirs" });
  });
});

test("whoever logs in while the server runs needs not start it anew", async () => {
  const { RUNCODE_TOKEN: token, ...env } = home.env;
  const own = await agent(home, { env: { RUNCODE_TOKEN: "", XDG_CONFIG_HOME: `${home.home.dir}/elsewhere` } });
  try {
    expect(await own.fails("list")).toMatchObject({
      error: "no_token",
      hint: expect.stringContaining("runcode login"),
    });
    const login = await runProgram(["login", "--with-token"], {
      env: { ...env, XDG_CONFIG_HOME: `${home.home.dir}/elsewhere` },
      stdin: `${token}\n`,
    });
    expect(login.exitCode, login.stderr).toBe(0);
    expect((await own.ok<Listed>("list")).workspaces.length).toBeGreaterThan(0);
  } finally {
    await own.close();
  }
});
