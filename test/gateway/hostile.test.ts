// Clients that mean harm, and what the others notice of them: nothing.
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Client } from "ssh2";
import type { ClientChannel } from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { world } from "./fixture.ts";
import type { Key, World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world({ loginGraceMs: 400, unauthenticatedPerSource: 20, authTries: 4 });
});
afterAll(() => w.close());

const dial = async (): Promise<Socket> => {
  const socket = createConnection(w.port, w.host);
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  return socket;
};
const servesOthers = async (): Promise<void> => expect((await w.ssh(["echo served"])).stdout).toBe("served\n");
const closed = async (socket: Socket): Promise<void> => {
  socket.resume();
  // A reset is as good an end as any, so not `once`.
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
};

/** A client that obeys nobody: ssh2's, with the parts that let it send what it likes. */
interface Rogue {
  readonly client: Client;
  readonly protocol: Record<string, (...args: unknown[]) => void>;
}
async function rogue(key: Key): Promise<Rogue> {
  const client = new Client();
  client.on("error", () => {});
  client.connect({ host: w.host, port: w.port, username: "demo", privateKey: readFileSync(key.file) });
  await once(client, "ready");
  return { client, protocol: (client as unknown as { _protocol: Rogue["protocol"] })._protocol };
}

/** Not `once`, which takes the error that comes first for its own. */
const ended = (client: Client): Promise<void> => new Promise((resolve) => client.once("close", () => resolve()));

describe("before a client is known", () => {
  test.each([
    ["garbage", Buffer.from(crypto.getRandomValues(new Uint8Array(100_000)))],
    ["an endless first line", Buffer.alloc(100_000, 0x41)],
    ["a packet of four gigabytes", Buffer.concat([Buffer.from("SSH-2.0-x\r\n"), Buffer.alloc(64, 0xff)])],
    ["a packet of no bytes", Buffer.concat([Buffer.from("SSH-2.0-x\r\n"), Buffer.alloc(64)])],
    ["version 1 of the protocol", Buffer.from("SSH-1.5-old\r\n")],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ])("%s costs the connection and nothing else", async (_name, bytes) => {
    const socket = await dial();
    socket.write(bytes);
    await closed(socket);
    await servesOthers();
  });

  test("one that says nothing, or a byte at a time, is cut off in time", async () => {
    const silent = await dial();
    const slow = await dial();
    const drip = setInterval(() => slow.write("S"), 20);
    await Promise.all([closed(silent), closed(slow)]);
    clearInterval(drip);
    expect(w.log).toContainEqual(expect.objectContaining({ event: "refused", why: "not authenticated in time" }));
    await servesOthers();
  });

  test("a crowd from one address is held to its number, and leaves room when it goes", async () => {
    const crowd = await Promise.all(Array.from({ length: 40 }, dial));
    await w.event((event) => event.event === "refused" && event.why === "too many unauthenticated connections");
    await Promise.all(crowd.map(closed));
    await servesOthers();
  });

  test("guessing ends after the tries that are allowed", async () => {
    const tried: number[] = [];
    const client = new Client();
    client.on("error", () => {});
    const strangers = Array.from({ length: 8 }, () => readFileSync(w.strangerKey().file));
    client.connect({
      host: w.host,
      port: w.port,
      username: "demo",
      authHandler: (_left, _partial, next) => {
        const key = strangers[tried.length];
        tried.push(1);
        next(key === undefined ? (false as never) : { type: "publickey", username: "demo", key });
      },
    });
    await ended(client);
    expect(tried).toHaveLength(4);
  });

  test("a channel before authentication is refused", async () => {
    const client = new Client();
    client.on("error", () => {});
    const { _protocol } = await new Promise<{ _protocol: Rogue["protocol"] }>((resolve) => {
      const methods = { authHandler: () => resolve(client as unknown as { _protocol: Rogue["protocol"] }) };
      client.connect({ host: w.host, port: w.port, username: "demo", ...methods });
    });
    const handlers = _protocol["_handlers"] as unknown as Record<string, () => void>;
    const refused = new Promise<void>((resolve) => (handlers["CHANNEL_OPEN_FAILURE"] = resolve));
    _protocol["session"]?.(0, 1_000_000, 32_768);
    await refused;
    client.destroy();
    await servesOthers();
  });
});

describe("once it is known", () => {
  test("a thousand channels are held to the limit, and the connection's end frees them all", async () => {
    const { client, protocol } = await rogue(w.key());
    let refused = 0;
    const handlers = protocol["_handlers"] as unknown as Record<string, () => void>;
    const done = new Promise<void>((resolve) => {
      handlers["CHANNEL_OPEN_FAILURE"] = () => ++refused === 1000 - 512 && resolve();
    });
    for (let index = 0; index < 1000; index++) protocol["session"]?.(index, 1_000_000, 32_768);
    await done;
    await servesOthers();
    client.end();
    await ended(client);
    await servesOthers();
  });

  test("one that opens and closes sessions without end leaves nothing behind", async () => {
    const { client, protocol } = await rogue(w.key());
    const handlers = protocol["_handlers"] as unknown as Record<string, (...args: never[]) => void>;
    for (let index = 0; index < 2000; index++) {
      const opened = new Promise<number>((resolve) => {
        handlers["CHANNEL_OPEN_CONFIRMATION"] = ((_: unknown, info: { sender: number }) =>
          resolve(info.sender)) as never;
        handlers["CHANNEL_OPEN_FAILURE"] = (() => resolve(-1)) as never;
      });
      const closing = new Promise((resolve) => (handlers["CHANNEL_CLOSE"] = resolve as never));
      protocol["session"]?.(index, 1_000_000, 32_768);
      const channel = await opened;
      expect(channel).toBeGreaterThanOrEqual(0);
      protocol["channelClose"]?.(channel);
      await closing;
    }
    client.end();
    await servesOthers();
  });

  test.each([0, 1, 255])("a channel with packets of at most %i bytes is refused", async (size) => {
    const { client, protocol } = await rogue(w.key());
    const handlers = protocol["_handlers"] as unknown as Record<string, () => void>;
    const refused = new Promise<void>((resolve) => (handlers["CHANNEL_OPEN_FAILURE"] = resolve));
    protocol["session"]?.(0, 1_000_000, size);
    await refused;
    client.end();
    await servesOthers();
  });

  test("more data than the window allows ends the connection", async () => {
    const { client, protocol } = await rogue(w.key());
    client.exec("sleep 100", (error, stream) => {
      if (error) throw error;
      const { id } = (stream as unknown as { outgoing: { id: number } }).outgoing;
      const block = Buffer.alloc(32_768);
      for (let index = 0; index < 200; index++) protocol["channelData"]?.(id, block);
    });
    await ended(client);
    expect(w.log).toContainEqual(expect.objectContaining({ event: "broken", why: "more data than the window allows" }));
    await servesOthers();
  });

  test("data after the end of data is ignored", async () => {
    const { client, protocol } = await rogue(w.key());
    const said = await new Promise<string>((resolve, reject) =>
      client.exec("cat; echo over", (error, stream) => {
        if (error) return reject(error);
        const { id } = (stream as unknown as { outgoing: { id: number } }).outgoing;
        let text = "";
        stream.on("data", (data: Buffer) => (text += data.toString()));
        stream.on("close", () => resolve(text));
        stream.end();
        stream.once("finish", () => protocol["channelData"]?.(id, Buffer.from("late")));
      }),
    );
    expect(said).toBe("over\n");
    client.end();
    await servesOthers();
  });

  test("a huge window and no reading do not make the server's memory grow", async () => {
    const { client, protocol } = await rogue(w.key());
    const socket = (client as unknown as { _sock: Socket })._sock;
    const handlers = protocol["_handlers"] as unknown as Record<string, (...args: never[]) => void>;
    const opened = new Promise<number>((resolve) => {
      handlers["CHANNEL_OPEN_CONFIRMATION"] = ((_: unknown, info: { sender: number }) => resolve(info.sender)) as never;
    });
    protocol["session"]?.(0, 0xffffffff, 32_768);
    const channel = await opened;
    const count = `${w.sandbox.home}/count`;
    protocol["exec"]?.(channel, `for i in $(seq 2000); do head -c 1000000 /dev/zero; echo $i > ${count}; done`, false);
    await new Promise<void>((resolve) => (handlers["CHANNEL_DATA"] = (() => resolve()) as never));
    socket.pause();
    // It has stopped when the count of what it could write does not change any more.
    let last = "";
    for (let same = 0; same < 10;) {
      await Bun.sleep(50);
      const now = await Bun.file(count)
        .text()
        .catch(() => "0");
      same = now === last ? same + 1 : 0;
      last = now;
    }
    expect(Number(last)).toBeLessThan(40);
    client.destroy();
    await servesOthers();
  });

  test("a sandbox that does not read holds its client back", async () => {
    const ssh = w.ssh(["sleep 1000"], { stdin: "pipe", buffer: false });
    let written = 0;
    const block = Buffer.alloc(100_000);
    let full = false;
    while (!full && written < 400_000_000) {
      const more = ssh.stdin?.write(block) ?? false;
      written += block.length;
      if (!more)
        full = !(await Promise.race([
          new Promise<boolean>((resolve) => ssh.stdin?.once("drain", () => resolve(true))),
          Bun.sleep(1000).then(() => false),
        ]));
    }
    expect(full).toBe(true);
    expect(written).toBeLessThan(40_000_000);
    ssh.kill();
    await ssh.catch(() => {});
    await servesOthers();
  });

  test("a client that stopped answering is noticed and let go", async () => {
    const awake = await world({ keepaliveMs: 1000, keepaliveCount: 2 });
    const ssh = awake.ssh(["echo up; sleep 1000"], { buffer: false });
    await new Promise((resolve) => ssh.stdout?.once("data", resolve));
    ssh.kill("SIGSTOP");
    await awake.event((event) => event.event === "closed");
    expect(awake.log).toContainEqual(expect.objectContaining({ event: "broken", why: "client-timeout" }));
    ssh.kill("SIGKILL");
    await ssh;
    await awake.close();
  });
});

test("a channel opened while the key stood starts nothing once it was revoked", async () => {
  const key = w.key();
  const { client, protocol } = await rogue(key);
  const { _chanMgr: channels } = client as unknown as {
    _chanMgr: { add(done: (error: Error | undefined, channel: ClientChannel) => void): number };
  };
  const channel = await new Promise<ClientChannel>((resolve) => {
    protocol["session"]?.(
      channels.add((_error, opened) => resolve(opened)),
      65_536,
      32_768,
    );
  });
  w.revoke(key);
  const said = Promise.all([text(channel), text(channel.stderr)]);
  protocol["exec"]?.((channel as unknown as { outgoing: { id: number } }).outgoing.id, "echo ran", true);
  expect(await said).toEqual(["", "runcode: the session's key has expired or was revoked\n"]);
  client.end();
});
