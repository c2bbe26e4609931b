// The conversation with a helper, over connections that cut it in odd places, and with a far end that breaks its rules.
import { heapStats } from "bun:jsc";
import { Duplex, duplexPair, PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import type Dockerode from "dockerode";
import { expect, test } from "vitest";
import { attach } from "../../src/server/sandboxes/docker/attach.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { serveFar, type Here } from "../../src/server/sandboxes/remote/far.ts";
import type { Transport } from "../../src/server/sandboxes/remote/mux.ts";
import { connectNear } from "../../src/server/sandboxes/remote/near.ts";

const refuse = async (): Promise<never> => await Promise.reject(new Error("not asked for"));
const here: Here = {
  user: "someone",
  home: "/home/someone",
  exec: refuse,
  sftp: refuse,
  listen: refuse,
  // Whoever answers says what he hears.
  dial: async () => await Promise.resolve(new PassThrough()),
};

/** Two ends of a connection that hands on what it is given in pieces of these sizes, in turn. */
function pair(sizes: readonly number[]): [Transport, Transport] {
  const ways = [new PassThrough(), new PassThrough()] as const;
  let turn = 0;
  async function* cut(way: PassThrough): AsyncGenerator<Uint8Array> {
    for await (const chunk of way)
      for (let left = chunk as Buffer; left.length > 0;) {
        const size = sizes[turn++ % sizes.length] ?? 1;
        yield left.subarray(0, size);
        left = left.subarray(size);
      }
  }
  const end = (inward: PassThrough, outward: PassThrough): Transport => ({
    input: cut(inward),
    send: (...parts) => {
      outward.write(Buffer.concat(parts));
      return undefined;
    },
    close: () => void outward.end(),
  });
  return [end(...ways), end(ways[1], ways[0])];
}

test.each([[[1]], [[8, 1, 9, 4, 5, 3, 10]], [[70_000, 1, 100_000]], [[1_000_000]]])(
  "a conversation in pieces of %j bytes is the same",
  async (sizes) => {
    const [near, far] = pair(sizes);
    const serving = serveFar(here, far);
    const remote = await connectNear(near);
    const sent = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    const connection = await remote.dial({ path: "/somewhere" });
    for (let at = 0; at < sent.length; at += 20_001) connection.write(sent.subarray(at, at + 20_001));
    connection.end();
    expect((await buffer(connection)).equals(sent)).toBe(true);
    remote.close();
    await serving;
  },
);

test.each([
  ["a frame longer than any may be", [255, 255, 255, 255, 2, 0, 0, 0, 1]],
  ["a frame shorter than its own head", [0, 0, 0, 1, 2, 0, 0, 0, 1]],
  ["a request that is none", [0, 0, 0, 7, 0, 0, 0, 0, 1, 1, 2]],
])("%s ends the connection, at once or byte by byte", async (_what, bytes) => {
  for (const pieces of [[Uint8Array.from(bytes)], bytes.map((byte) => Uint8Array.of(byte))]) {
    const closed = Promise.withResolvers<void>();
    async function* input(): AsyncGenerator<Uint8Array> {
      yield* pieces;
      // It would say more: the end is not its own.
      await closed.promise;
    }
    const connecting = connectNear({ input: input(), send: () => undefined, close: closed.resolve });
    await expect(connecting).rejects.toMatchObject({ code: "unavailable" });
    await closed.promise;
  }
});

/** A frame as it travels. */
function frame(type: number, channel: number, body: unknown): Buffer {
  const said = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const head = Buffer.alloc(9);
  head.writeUInt32BE(said.length + 5, 0);
  head.writeUInt8(type, 4);
  head.writeUInt32BE(channel, 5);
  return Buffer.concat([head, said]);
}
const [OPEN, MESSAGE, DATA] = [0, 1, 2] as const;
const HELLO = frame(OPEN, 1, { kind: "hello", version: 1, user: "u", home: "/h" });

/** A hostile far end: what it says is said once it was greeted and `say` was called, and it counts what was taken of it. */
function hostile(
  words: Iterable<Uint8Array>,
  send: Transport["send"] = () => undefined,
): { near: Transport; say: () => void; taken: () => number; over: Promise<void> } {
  const [closed, told, over] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  let count = 0;
  async function* input(): AsyncGenerator<Uint8Array> {
    yield HELLO;
    await told.promise;
    for (const word of words) {
      count++;
      yield word;
    }
    over.resolve();
    await closed.promise;
  }
  return {
    near: { input: input(), send, close: closed.resolve },
    say: told.resolve,
    taken: () => count,
    over: over.promise,
  };
}

function* connections(count: number): Generator<Uint8Array> {
  for (let at = 0; at < count; at++)
    yield frame(OPEN, 3 + 2 * at, { kind: "connection", listener: 9, host: "", port: 0 });
}

test("one who asks for ever and reads no answer is left, with few of them kept", async () => {
  let kept = 0;
  const never = new Promise<void>(() => {});
  const { near, say, taken } = hostile(connections(200_000), () => {
    kept++;
    return never;
  });
  const remote = await connectNear(near);
  say();
  await remote.closed;
  expect(taken()).toBeLessThan(100_000);
  expect(kept).toBeLessThan(100_000);
});

test("one who asks as much and reads, late, is answered", async () => {
  let answers = 0;
  let read: (() => void) | null = null;
  let wait: Promise<void> | undefined;
  function* words(): Generator<Uint8Array> {
    for (const word of connections(50_000)) {
      yield word;
      if (answers % 5000 !== 0) continue;
      // All of it was read; the ticks that it takes to say so.
      read?.();
      [read, wait] = [null, undefined];
      for (let turn = 0; turn < 10; turn++) yield Buffer.alloc(0);
    }
  }
  const { near, say, over } = hostile(words(), () => {
    answers++;
    wait ??= new Promise((resolve) => (read = resolve));
    return wait;
  });
  const remote = await connectNear(near);
  say();
  await Promise.race([over, remote.closed]);
  expect(answers).toBeGreaterThanOrEqual(50_000);
  remote.close();
});

test("an engine that takes no more has one listener for all who wait for it", async () => {
  const done: (() => void)[] = [];
  const stream = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, go) => void done.push(go),
    writableHighWaterMark: 1,
  });
  const exec = { start: async () => await Promise.resolve(stream) };
  const container = { exec: async () => await Promise.resolve(exec) };
  const { transport } = await attach(container as unknown as Dockerode.Container, [], []);
  const listeners = stream.listenerCount("drain");
  const waits = Array.from({ length: 100 }, () => transport.send(Buffer.of(1, 2)));
  expect(stream.listenerCount("drain")).toBe(listeners + 1);
  stream.on("drain", () => {});
  while (stream.writableLength > 0) {
    done.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const wait of waits) await wait;
  expect(stream.listenerCount("drain")).toBe(listeners + 1);
  const again = transport.send(Buffer.of(1, 2));
  stream.destroy();
  await again;
});

/** The first channel that the server opens is 0. */
const ready = frame(MESSAGE, 0, { ready: true });

test.each(["nobody reads", "it is read later, piece by piece"])(
  "a window full of single bytes costs little, where %s",
  async (what) => {
    const window = 256 * 1024;
    const buffers = (): number => {
      Bun.gc(true);
      const { Buffer = 0, Uint8Array = 0 } = heapStats().objectTypeCounts;
      return Buffer + Uint8Array;
    };
    function* words(): Generator<Uint8Array> {
      yield ready;
      // A hundred at a time, so that a test is not made of promises.
      const some = (from: number): Buffer =>
        Buffer.concat(Array.from({ length: 128 }, (_, at) => frame(DATA, 0, Buffer.of(1, (from + at) % 251))));
      for (let at = 0; at < window; at += 128) yield some(at);
    }
    const { near, say, over } = hostile(words());
    const remote = await connectNear(near);
    const executing = remote.exec({ command: ["x"] });
    const before = buffers();
    say();
    const { stdout } = await executing;
    if (what !== "nobody reads") stdout.on("readable", () => {});
    await over;
    expect(buffers() - before).toBeLessThan(10_000);
    stdout.removeAllListeners("readable");
    let sofar = 0;
    for await (const piece of stdout) {
      for (const byte of piece as Buffer) if (byte !== sofar++ % 251) throw new Error(`not in order at ${sofar - 1}`);
      if (sofar === window) break;
    }
    remote.close();
  },
);

test("a listener with more connections than there may be has those refused; the others go on, and what is asked for is done", async () => {
  const MOST = 4096;
  let connect: (connection: Duplex) => void = () => {};
  const listening: Here = {
    ...here,
    listen: async (_, onConnection) => {
      connect = (connection) => onConnection(connection, { host: "127.0.0.1", port: 1 });
      return await Promise.resolve({ port: 22, close: async () => {} });
    },
  };
  const [near, far] = pair([1_000_000]);
  const serving = serveFar(listening, far);
  const remote = await connectNear(near);
  const accepted: Duplex[] = [];
  await remote.listen(
    { host: "127.0.0.1", port: 0 },
    (connection) => void accepted.push(connection.on("error", () => {})),
  );
  const ours: Duplex[] = [];
  const theirs = Array.from({ length: MOST + 3 }, () => {
    // What is written into one of the two is read from the other.
    const [here, there] = duplexPair();
    ours.push(here);
    return there.on("error", () => {});
  });
  for (const connection of theirs) connect(connection);
  // One that is refused is closed.
  await Promise.all(ours.slice(MOST).map(async (connection) => await buffer(connection).catch(() => {})));
  expect(accepted).toHaveLength(MOST);

  for (const at of [0, MOST - 1]) {
    ours[at]?.resume().end(`from ${at}`);
    accepted[at]?.end();
    expect(await text(accepted[at] as Duplex)).toBe(`from ${at}`);
  }
  const dialled = await remote.dial({ path: "/somewhere" });
  dialled.end("works");
  expect(await text(dialled)).toBe("works");
  // There is room again where some have left.
  await expect
    .poll(() => {
      connect(duplexPair()[0].on("error", () => {}));
      return accepted.length;
    })
    .toBeGreaterThan(MOST);
  remote.close();
  await serving;
});

test("what a sandbox says is a line: more of it ends the connection", async () => {
  const { near, say } = hostile([frame(MESSAGE, 0, "x".repeat(70_000))]);
  const remote = await connectNear(near);
  say();
  await expect(remote.exec({ command: ["x"] })).rejects.toMatchObject({ code: "unavailable" });
  await remote.closed;
});

test("a command as long as the kernel takes reaches the sandbox", async () => {
  const heard = Promise.withResolvers<unknown>();
  const [near, far] = pair([1_000_000]);
  const serving = serveFar(
    {
      ...here,
      exec: async ({ command }) => {
        heard.resolve(command);
        return await refuse();
      },
    },
    far,
  );
  const remote = await connectNear(near);
  const command = ["x".repeat(2 * 1024 * 1024)];
  await expect(remote.exec({ command })).rejects.toThrow("not asked for");
  expect(await heard.promise).toEqual(command);
  remote.close();
  await serving;
});

test("an error as long as its command arrives, shortened", async () => {
  const [near, far] = pair([1_000_000]);
  const exec: Here["exec"] = async ({ command }) =>
    await Promise.reject(new RuncodeError("io", `cannot run ${String(command)}`, { hint: String(command) }));
  const serving = serveFar({ ...here, exec }, far);
  const remote = await connectNear(near);
  await expect(remote.exec({ command: "\u0001".repeat(1_000_000) })).rejects.toMatchObject({ code: "io" });
  await expect(remote.exec({ command: "x".repeat(1_000_000) })).rejects.toThrow(/^cannot run x{4000}/);
  remote.close();
  await serving;
});

test("an error that a sandbox tells cannot steer the terminal it is shown at", async () => {
  const said = { failed: "io", message: "\u001b]0;owned\u0007no\u202e", hint: "\u009b2Jtry" };
  const { near, say } = hostile([frame(MESSAGE, 0, said)]);
  const remote = await connectNear(near);
  say();
  await expect(remote.dial({ path: "/x" })).rejects.toMatchObject({ code: "io", message: "]0;ownedno", hint: "2Jtry" });
  remote.close();
});

test("a helper that falls silent keeps nobody who dials, or who closes a listener", async () => {
  const { near, say, over } = hostile([ready]);
  const remote = await connectNear(near, 50, 50);
  say();
  const listener = await remote.listen({ host: "127.0.0.1", port: 0 }, () => {});
  await over;
  await listener.close();
  await expect(remote.dial({ path: "/x" })).rejects.toMatchObject({ code: "unavailable" });
  remote.close();
});
