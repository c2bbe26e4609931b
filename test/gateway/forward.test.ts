// Forwards, both ways and of every kind, driven by the system's ssh.
import { createConnection, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { once } from "node:events";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../harness/index.ts";
import { noise, sha256, world } from "./fixture.ts";
import type { Key, World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

/** Answers everything only once the other side has ended: without half-close nothing would ever come back. */
async function echoServer(
  at: { host: string; port: number } | { path: string },
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const parts: Buffer[] = [];
    socket.on("data", (data: Buffer) => void parts.push(data));
    socket.on("end", () => socket.end(Buffer.concat(parts)));
    socket.on("error", () => socket.destroy());
  });
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "string" || address === null ? 0 : address.port };
}

async function exchange(to: { host: string; port: number } | { path: string }, data: Uint8Array): Promise<Buffer> {
  const socket: Socket = createConnection({ ...to, allowHalfOpen: true });
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => void parts.push(part));
  socket.end(data);
  await once(socket, "close");
  return Buffer.concat(parts);
}

const CONTROL = (name: string): string => path.join(w.dir, name);
/** A master in the background, to which forwards are added by `-O forward`; gives what `-O` printed. */
async function withMaster(
  name: string,
  key: Key,
  work: (control: (...words: string[]) => ReturnType<World["ssh"]>) => Promise<void>,
): Promise<void> {
  const path = ["-o", `ControlPath=${CONTROL(name)}`];
  const master = w.ssh([], { key, flags: [...path, "-M", "-N", "-o", "ControlPersist=no"] });
  const control = (...words: string[]): ReturnType<World["ssh"]> => w.ssh([], { key, flags: [...path, ...words] });
  await expect.poll(async () => (await control("-O", "check")).exitCode).toBe(0);
  try {
    await work(control);
  } finally {
    await control("-O", "exit");
    await master;
  }
}

const data = crypto.getRandomValues(new Uint8Array(60_000));

describe("towards the sandbox", () => {
  test("-L carries both directions, and the end of one before the other's", async () => {
    const { server, port } = await echoServer({ host: "127.0.0.1", port: 0 });
    const local = await freePort();
    await withMaster("l", w.key(), async (control) => {
      await control("-O", "forward", "-L", `127.0.0.1:${local}:127.0.0.1:${port}`);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => exchange({ host: "127.0.0.1", port: local }, data)),
      );
      for (const answer of answers) expect(answer.equals(data)).toBe(true);
    });
    server.close();
  });

  test("-L to a port where nobody listens is told as such", async () => {
    const nobody = await freePort();
    const { exitCode, stderr } = await w.ssh([], { flags: ["-o", "LogLevel=INFO", "-W", `127.0.0.1:${nobody}`] });
    expect(exitCode).toBe(255);
    expect(stderr).toMatch(/open failed: connect failed: .+/);
  });

  test("-D serves what an editor does: a long command and a SOCKS forward beside it", async () => {
    const { server, port } = await echoServer({ host: "127.0.0.1", port: 0 });
    const socks = await freePort();
    const shell = w.ssh(["bash"], { flags: ["-T", "-D", String(socks)], stdin: "pipe", buffer: false });
    shell.stdin?.write("echo re''ady\n");
    await new Promise<void>((resolve) =>
      shell.stdout?.on("data", (text) => String(text).includes("ready") && resolve()),
    );
    const { file, sha256: sum } = noise(path.join(w.dir, "socks"), 10_000_000);
    const proxy = path.join(w.dir, "answer");
    const python =
      "import socket,sys\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\ns.sendall(b'\\5\\1\\0');s.recv(2)\ns.sendall(b'\\5\\1\\0\\1\\x7f\\0\\0\\1'+int(sys.argv[2]).to_bytes(2,'big'));s.recv(10)\nimport threading\nd=open(sys.argv[3],'rb').read()\nt=threading.Thread(target=lambda:(s.sendall(d),s.shutdown(1)));t.start()\no=open(sys.argv[4],'wb')\nwhile True:\n b=s.recv(65536)\n if not b: break\n o.write(b)\n";
    await execa("python3", ["-c", python, String(socks), String(port), file, proxy]);
    expect(sha256(new Uint8Array(await Bun.file(proxy).arrayBuffer()))).toBe(sum);
    shell.stdin?.end("exit 11\n");
    expect((await shell).exitCode).toBe(11);
    server.close();
  });

  test("a Unix socket in the sandbox is reached by its path", async () => {
    const there = path.join(w.dir, "there.sock");
    const here = path.join(w.dir, "here.sock");
    const { server } = await echoServer({ path: there });
    await withMaster("u", w.key(), async (control) => {
      await control("-O", "forward", "-L", `${here}:${there}`);
      expect((await exchange({ path: here }, data)).equals(data)).toBe(true);
    });
    server.close();
  });
});

describe("from the sandbox", () => {
  test("-R with port 0 is answered with the port that was bound, and cancelled again", async () => {
    const { server, port } = await echoServer({ host: "127.0.0.1", port: 0 });
    await withMaster("r", w.key(), async (control) => {
      const { stdout } = await control("-O", "forward", "-R", `0:127.0.0.1:${port}`);
      const bound = Number(String(stdout).trim());
      expect(bound).toBeGreaterThan(0);
      expect((await exchange({ host: "127.0.0.1", port: bound }, data)).equals(data)).toBe(true);
      await control("-O", "cancel", "-R", `0:127.0.0.1:${port}`);
      await expect(once(createConnection(bound, "127.0.0.1"), "connect")).rejects.toThrow();
    });
    server.close();
  });

  test("-R of a taken port is refused", async () => {
    const { server, port } = await echoServer({ host: "127.0.0.1", port: 0 });
    const flags = ["-o", "ExitOnForwardFailure=yes", "-R", `127.0.0.1:${port}:127.0.0.1:1`];
    expect((await w.ssh(["true"], { flags })).exitCode).toBe(255);
    server.close();
  });

  test("a Unix socket of the sandbox leads to one here", async () => {
    const there = path.join(w.dir, "far.sock");
    const here = path.join(w.dir, "near.sock");
    const { server } = await echoServer({ path: here });
    await withMaster("ru", w.key(), async (control) => {
      await control("-O", "forward", "-R", `${there}:${here}`);
      expect((await exchange({ path: there }, data)).equals(data)).toBe(true);
    });
    server.close();
  });
});

describe("the agent", () => {
  const flags = ["-A", "-o", "IdentityAgent=SSH_AUTH_SOCK"];
  const list = "ssh-add -l; echo code $?";

  /** Runs with an agent that holds one key. */
  async function withAgent(work: (env: Record<string, string>, file: string) => Promise<void>): Promise<void> {
    const socket = path.join(w.dir, `agent-${crypto.randomUUID().slice(0, 8)}`);
    const agent = Bun.spawn(["ssh-agent", "-D", "-a", socket], { stdout: "pipe", stderr: "ignore" });
    await agent.stdout.getReader().read();
    const env = { SSH_AUTH_SOCK: socket };
    // The test's own configuration has no agent at all.
    const { file } = w.strangerKey();
    await execa("ssh-add", ["-q", file], { env });
    await work(env, file);
    agent.kill();
    await agent.exited;
  }

  test("is reached from the sandbox where the key allows it", async () => {
    await withAgent(async (env) => {
      const { stdout } = await w.ssh([list], { env, flags });
      expect(stdout).toMatch(/256 SHA256:.* \(ED25519\)\ncode 0\n/);
    });
  });

  test("is not there where the key does not", async () => {
    await withAgent(async (env) => {
      const key = w.key({ capabilities: new Set(["exec"]) });
      const { stdout } = await w.ssh(["echo [$SSH_AUTH_SOCK]"], { key, env, flags });
      expect(stdout).toBe("[]\n");
    });
  });
});
