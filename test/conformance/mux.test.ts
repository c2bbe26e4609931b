// The conversation with a helper, over connections that cut it in odd places, and with a far end that breaks its rules.
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
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
