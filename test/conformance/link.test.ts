// How a container's helper is reached: over a socket in a directory of the workspace's own where the engine sees this machine's
// disk, and over the engine's own stream where it does not.
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linkDir, openDoor, type Door } from "../../src/server/sandboxes/docker/link.ts";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";
import { ADMITTED, BY_LINK, BY_STREAM, LINK_DIR, LINK_SOCKET, PROOF } from "../../src/server/sandboxes/remote/link.ts";
import { serveFar, type Here } from "../../src/server/sandboxes/remote/far.ts";
import type { Transport } from "../../src/server/sandboxes/remote/mux.ts";
import { connectNear } from "../../src/server/sandboxes/remote/near.ts";
import { BUSYBOX, DEBIAN, describeEngines } from "../harness/engines.ts";
import { driverOn, run, stopHelper, subject, type Subject } from "./subjects.ts";

/** Whether the helper speaks to the server over a socket: its standard streams are pipes on both engines. */
async function linked(sandbox: Sandbox): Promise<boolean> {
  const look =
    'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <$p/cmdline)" in *"runcode sandbox-agent"*) ls -l $p/fd;; esac; done';
  const { stdout } = await run(sandbox, look);
  expect(stdout).toContain("pipe:");
  return stdout.includes("socket:");
}

describeEngines(
  (kind) => `the link to a container on ${kind}`,
  (kind, address) => {
    let on: Subject;
    beforeAll(async () => {
      on = await subject(`docker@${kind}`);
    });
    afterAll(async () => await on.close());
    const started = async (image: string, driver = on.driver): Promise<{ id: number; sandbox: Sandbox }> => {
      const spec = { ...on.spec(), image };
      await driver.create(spec);
      return { id: spec.id, sandbox: await driver.start(spec) };
    };

    test("it carries the conversation, and nobody can connect where it was made", async () => {
      const { id, sandbox } = await started(DEBIAN);
      expect(await linked(sandbox)).toBe(true);
      const dir = path.join(on.dataDir, "workspaces", String(id), "link");
      expect(await readdir(dir)).toEqual([]);
      expect((await stat(path.dirname(dir))).mode & 0o777).toBe(0o700);
      const planted = await run(sandbox, `touch ${LINK_DIR}/planted`);
      expect(planted).toMatchObject({ exit: { code: 1 }, stderr: expect.stringContaining("ead-only") as string });
      const sum = await run(sandbox, "sha256sum", { input: "x".repeat(3_000_000) });
      expect(sum.stdout).toContain(new Bun.CryptoHasher("sha256").update("x".repeat(3_000_000)).digest("hex"));
      await sandbox.stop({ graceMs: 0 });
      await on.driver.delete({ id, title: "box", image: null, limits: {} });
      await expect(stat(path.dirname(dir))).rejects.toMatchObject({ code: "ENOENT" });
    });

    test("what a command reads and writes does not pass the helper: it goes on while the helper stands still", async () => {
      const { sandbox } = await started(DEBIAN);
      const echo = await sandbox.exec({ command: ["cat"] });
      const goOn = await stopHelper(sandbox);
      const sent = randomBytes(3_000_000);
      echo.stdin.end(sent);
      const sum = new Bun.CryptoHasher("sha256");
      for await (const bytes of echo.stdout) sum.update(bytes as Buffer);
      expect(sum.digest("hex")).toBe(new Bun.CryptoHasher("sha256").update(sent).digest("hex"));
      await goOn();
      expect(await echo.exited).toEqual({ code: 0 });
      await sandbox.stop({ graceMs: 0 });
    });

    test("a data directory whose path is too long for a socket has none, and everything goes over the engine's stream", async () => {
      const far = await subject(`docker@${kind} without a link`);
      const sandbox = await far.sandbox();
      expect(await linked(sandbox)).toBe(false);
      await far.close();
    });

    test("a helper that was killed is followed by another, which is linked as well", async () => {
      const { sandbox } = await started(BUSYBOX);
      const killed = await run(
        sandbox,
        'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <$p/cmdline)" in *"runcode sandbox-agent"*) kill -9 ${p##*/};; esac; done',
      );
      expect(killed.exit).toEqual({ signal: "KILL", coreDumped: false });
      expect(await linked(sandbox)).toBe(true);
      await sandbox.stop({ graceMs: 0 });
    });

    describe("an engine that is not on this machine, or has a disk of its own, is reached over its own stream", () => {
      test("over TCP", async () => {
        const there = await passage(address.slice("unix://".length), 0);
        const driver = await driverOn(`docker@${kind}`, on.dataDir, { address: `tcp://127.0.0.1:${there.port}` });
        const { sandbox } = await started(BUSYBOX, driver);
        expect(await linked(sandbox)).toBe(false);
        expect((await run(sandbox, `ls -d ${LINK_DIR}`)).exit).not.toEqual({ code: 0 });
        await sandbox.stop({ graceMs: 0 });
        await driver.close();
        await there.close();
      });

      test("over a Unix socket behind which the directory is not there", async () => {
        const socket = path.join(on.dataDir, "passage");
        const base = path.basename(on.dataDir);
        const other = base.replace("conformance", "in-elsewhere".slice(0, "conformance".length));
        const there = await passage(address.slice("unix://".length), socket, [
          [base, other],
          [other, base],
        ]);
        const driver = await driverOn(`docker@${kind}`, on.dataDir, { address: `unix://${socket}` });
        const { sandbox } = await started(BUSYBOX, driver);
        expect(await linked(sandbox)).toBe(false);
        await sandbox.stop({ graceMs: 0 });
        await driver.close();
        await there.close();
      });
    });
  },
);

/** A way to an engine's socket on which words of equal length are exchanged, on the way there and back. */
async function passage(
  to: string,
  at: number | string,
  [there, back]: readonly (readonly [string, string])[] = [],
): Promise<{ port: number; close: () => Promise<void> }> {
  const exchanged = (bytes: Buffer, words?: readonly [string, string]): Buffer =>
    words ? Buffer.from(bytes.toString("latin1").replaceAll(...words), "latin1") : bytes;
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ path: to, allowHalfOpen: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {}).once("close", () => [near, far].forEach((each) => each.destroy()));
    }
    near.on("data", (bytes: Buffer) => far.write(exchanged(bytes, there))).on("end", () => far.end());
    far.on("data", (bytes: Buffer) => near.write(exchanged(bytes, back))).on("end", () => near.end());
  });
  await new Promise<void>((resolve) =>
    server.listen(typeof at === "number" ? { port: at, host: "127.0.0.1" } : at, resolve),
  );
  const where = server.address();
  return {
    port: typeof where === "object" && where ? where.port : 0,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("the door to a link", () => {
  let root: string;
  let dir: string;
  let door: Door;
  const strangers: net.Socket[] = [];
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), "runcode-door-"));
    dir = (await linkDir(path.join(root, "w"))) ?? "";
  });
  afterAll(async () => {
    for (const stranger of strangers) stranger.destroy();
    await rm(root, { recursive: true, force: true });
  });

  /** The engine's stream to a helper, from the server's side and from the helper's. */
  function stream(): {
    near: Transport;
    told: Promise<Uint8Array>;
    word: (byte: number) => void;
    isClosed: Promise<void>;
  } {
    const told = Promise.withResolvers<Uint8Array>();
    const closed = Promise.withResolvers<void>();
    const word = Promise.withResolvers<number>();
    async function* input(): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(await word.promise);
      await closed.promise;
    }
    const near: Transport = {
      input: input(),
      send: (...parts) => {
        told.resolve(Buffer.concat(parts));
        return undefined;
      },
      close: () => closed.resolve(),
    };
    return { near, told: told.promise, word: word.resolve, isClosed: closed.promise };
  }
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect(path.join(dir, LINK_SOCKET));
    strangers.push(socket);
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  /** However it ends: one that is written to as it goes tells an error as well. */
  const closed = async (socket: net.Socket): Promise<void> => {
    if (!socket.closed) await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  };
  const here: Here = {
    user: "someone",
    home: "/home/someone",
    exec: async () => await Promise.reject(new Error("not asked for")),
    sftp: async () => await Promise.reject(new Error("not asked for")),
    dial: async () => await Promise.reject(new Error("not asked for")),
    listen: async () => await Promise.reject(new Error("not asked for")),
  };

  test("strangers, however many, are sent away, and the helper is let in among them", async () => {
    door = (await openDoor(dir)) as Door;
    const { near, told, word, isClosed } = stream();
    const chosen = door.choose(near);
    const secret = await told;
    expect(secret.length).toBe(32);
    const silent = await Promise.all(Array.from({ length: 100 }, connect));
    const [wrong, long] = await Promise.all([connect(), connect()]);
    const gone = [wrong, long].map(closed);
    wrong.write(Buffer.alloc(32));
    long.write(Buffer.concat([secret, Buffer.alloc(1_000_000)]));
    await Promise.all(gone);
    const helper = await connect();
    helper.write(secret);
    expect(await once(helper, "data")).toEqual([Buffer.of(ADMITTED)]);
    helper.pause();
    // The secret is good twice: the second time for the descriptors that the helper takes there.
    const second = await connect();
    second.write(secret);
    const proof = Buffer.alloc(4);
    proof.writeUInt32LE(PROOF);
    expect(await once(second, "data")).toEqual([proof]);
    const third = await connect();
    const turnedAway = closed(third);
    third.write(secret);
    await turnedAway;
    word(BY_LINK);
    const over = serveFar(here, {
      input: helper,
      send: (...parts) => void helper.write(Buffer.concat(parts)),
      close: () => helper.destroy(),
    });
    const remote = await connectNear(chosen);
    expect(remote).toMatchObject({ user: "someone", home: "/home/someone" });
    await door.close();
    await Promise.all(silent.map(closed));
    expect(await readdir(dir)).toEqual([]);
    await expect(remote.sftp()).rejects.toThrow("not asked for");
    remote.close();
    await Promise.all([over, isClosed, closed(second)]);
  });

  test("a helper that finds no way to it goes on with the stream", async () => {
    door = (await openDoor(dir)) as Door;
    const { near, word } = stream();
    word(BY_STREAM);
    const chosen = door.choose(near);
    await door.close();
    near.close();
    for await (const bytes of chosen.input) expect(bytes).toHaveLength(0);
  });

  test("the end of the stream is the end of the helper's connection", async () => {
    door = (await openDoor(dir)) as Door;
    const { near, told, word } = stream();
    const chosen = door.choose(near);
    const helper = await connect();
    helper.write(await told);
    await once(helper, "data");
    word(BY_LINK);
    helper.write("by the link");
    const { value } = await chosen.input[Symbol.asyncIterator]().next();
    expect(Buffer.from(value as Uint8Array).toString()).toBe("by the link");
    await door.close();
    near.close();
    await closed(helper);
  });

  test("who shows the secret after the helper has said how it goes on is sent away, and so is who shows it too late", async () => {
    door = (await openDoor(dir)) as Door;
    const { near, told, word } = stream();
    const chosen = door.choose(near);
    const secret = await told;
    word(BY_LINK);
    // It was not let in yet, so that the stream carries it.
    expect((await chosen.input[Symbol.asyncIterator]().next()).value).toHaveLength(0);
    const [early, late] = [await connect(), await connect()];
    early.write(secret);
    await once(early, "data");
    await door.close();
    late.write(secret);
    await Promise.all([early, late].map(closed));
    near.close();
  });

  test("a door that is closed late leaves the next one's socket alone", async () => {
    const former = (await openDoor(dir)) as Door;
    door = (await openDoor(dir)) as Door;
    await former.close();
    expect(await readdir(dir)).toEqual([LINK_SOCKET]);
    const { near, told, word } = stream();
    door.choose(near);
    const helper = await connect();
    helper.write(await told);
    expect(await once(helper, "data")).toEqual([Buffer.of(ADMITTED)]);
    word(BY_STREAM);
    await door.close();
    expect(await readdir(dir)).toEqual([]);
    await closed(helper);
    near.close();
  });

  test("a path too long for a socket is no place for one", async () => {
    expect(await linkDir(path.join(root, "x".repeat(100)))).toBeNull();
  });
});
