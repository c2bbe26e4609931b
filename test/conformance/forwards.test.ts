// Ports and sockets of a sandbox, reached and offered.
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../harness/port.ts";
import { WITH_STREAM, run, seen, subject, type Subject } from "./subjects.ts";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";

/** A program that answers one connection at a time with what it was sent, in capitals; `where` is a port or a path. */
const SHOUT = `
import socket, sys, os
where = sys.argv[1]
if where == "tcp":
    s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
else:
    s = socket.socket(socket.AF_UNIX); s.bind(where); s.listen(); print("ready", flush=True)
while True:
    c, _ = s.accept()
    data = b""
    while part := c.recv(65536): data += part
    c.sendall(data.upper()); c.close()
`;
const python = "/usr/bin/python3";

describe.each(WITH_STREAM)("forwards under the %s driver", (name) => {
  let on: Subject;
  let sandbox: Sandbox;
  beforeAll(async () => {
    on = await subject(name);
    sandbox = await on.sandbox();
  });
  afterAll(async () => await on.close());

  test("a port that a program listens on can be dialled, and each direction ends by itself", async () => {
    const server = await sandbox.exec({ command: [python, "-c", SHOUT, "tcp"] });
    const port = Number(await seen(server.stdout, "\n"));
    const connection = await sandbox.dial({ host: "localhost", port });
    connection.end("a".repeat(300_000));
    expect(await text(connection)).toBe("A".repeat(300_000));
    server.kill();
  });

  test("a Unix socket that a program listens on can be dialled", async () => {
    const file = `${sandbox.workdir}/shout.sock`;
    const server = await sandbox.exec({ command: [python, "-c", SHOUT, file] });
    await seen(server.stdout, "ready");
    const connection = await sandbox.dial({ path: file });
    connection.end("b".repeat(300_000));
    expect(await text(connection)).toBe("B".repeat(300_000));
    server.kill();
  });

  test("dialling where nobody listens is the error `network`", async () => {
    const port = await freePort();
    await expect(sandbox.dial({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "network" });
    await expect(sandbox.dial({ path: `${sandbox.home}/none.sock` })).rejects.toMatchObject({ code: "network" });
    await expect(sandbox.dial({ path: "--help" })).rejects.toMatchObject({ code: "network" });
  });

  test("a listener on a port takes connections from inside", async () => {
    const listener = await sandbox.listen({ host: "127.0.0.1", port: 0 }, (connection, from) => {
      expect(from.host).toContain("127.0.0.1");
      connection.end("from outside\n");
    });
    expect(listener.port).toBeGreaterThan(0);
    const client = `import socket;print(socket.create_connection(("127.0.0.1",${listener.port})).recv(99))`;
    expect((await run(sandbox, [python, "-c", client])).stdout).toContain("from outside");
    await listener.close();
  });

  test("a port that a listener has is a conflict for another, and nobody's once it is closed", async () => {
    // Where the network is the machine's, a port that the system chose may be somebody else's a moment later.
    const there = { host: "127.0.0.1", port: await freePort() };
    const listener = await sandbox.listen(there, () => {});
    expect(listener.port).toBe(there.port);
    await expect(sandbox.listen(there, () => {})).rejects.toMatchObject({ code: "conflict" });
    await listener.close();
    await expect(sandbox.dial(there)).rejects.toMatchObject({ code: "network" });
  });

  test("a listener on a Unix socket takes connections from inside, and its path is free again afterwards", async () => {
    const path = `${sandbox.home}/agent.sock`;
    const listener = await sandbox.listen({ path }, (connection) => {
      connection.on("data", (data: Buffer) => connection.end(`got ${data.toString()}`));
    });
    expect(listener.port).toBe(0);
    const client = `import socket;s=socket.socket(socket.AF_UNIX);s.connect("${path}");s.sendall(b"this");print(s.recv(99))`;
    expect((await run(sandbox, [python, "-c", client])).stdout).toContain("got this");
    await expect(sandbox.listen({ path }, () => {})).rejects.toMatchObject({ code: "conflict" });
    await listener.close();
    expect((await run(sandbox, ["ls", "-a", sandbox.home])).stdout).not.toContain("agent.sock");
    const again = await sandbox.listen({ path }, () => {});
    await again.close();
  });
});
