// Ports and sockets of a sandbox, reached and offered.
import net from "node:net";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DRIVERS, run, seen, subject, type Subject } from "./subjects.ts";
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

describe.each(DRIVERS)("forwards under the %s driver", (name) => {
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
    const free = net.createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as net.AddressInfo;
    free.close();
    await once(free, "close");
    await expect(sandbox.dial({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "network" });
    await expect(sandbox.dial({ path: `${sandbox.home}/none.sock` })).rejects.toMatchObject({ code: "network" });
    await expect(sandbox.dial({ path: "--help" })).rejects.toMatchObject({ code: "network" });
  });

  test("a listener on a port takes connections from inside, and a taken port is a conflict", async () => {
    const listener = await sandbox.listen({ host: "127.0.0.1", port: 0 }, (connection, from) => {
      expect(from.host).toContain("127.0.0.1");
      connection.end("from outside\n");
    });
    expect(listener.port).toBeGreaterThan(0);
    const client = `import socket;print(socket.create_connection(("127.0.0.1",${listener.port})).recv(99))`;
    expect((await run(sandbox, [python, "-c", client])).stdout).toContain("from outside");
    await expect(sandbox.listen({ host: "127.0.0.1", port: listener.port }, () => {})).rejects.toMatchObject({
      code: "conflict",
    });
    await listener.close();
    await expect(sandbox.dial({ host: "127.0.0.1", port: listener.port })).rejects.toMatchObject({ code: "network" });
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
