// Stands between a client and a real engine, byte for byte, and lets a test choose the moment at which something goes wrong.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** A request's method and path, such as `POST /containers/create?name=x`. */
type Line = string;

export interface EngineProxy {
  readonly address: string;
  /** Asked first: a text is the whole answer to the request, and the engine never hears of it. */
  instead: (line: Line) => string | null;
  /** Called before a request is handed on, and awaited. */
  asked: (line: Line) => Promise<void> | void;
  /** Called once the engine has begun to answer, before the client hears of it, and awaited. */
  answered: (line: Line) => Promise<void> | void;
  /** From now on nothing passes in either direction, and no connection ends. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** Resolves when the socket takes more, or is gone; what listens for the one does not stay behind when the other comes. */
async function room(socket: net.Socket): Promise<void> {
  const enough = new AbortController();
  const { signal } = enough;
  await Promise.race([once(socket, "drain", { signal }), once(socket, "close", { signal })]).finally(() =>
    enough.abort(),
  );
}

/** Takes the address of an engine (`unix://…`); gives a proxy in front of it that does nothing yet. */
export async function engineProxy(address: string): Promise<EngineProxy> {
  const dir = await mkdtemp(path.join(tmpdir(), "rcp-"));
  const open = new Set<net.Socket>();
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const carry = async (
    from: net.Socket,
    to: net.Socket,
    before: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> => {
    try {
      for await (const chunk of from) {
        await before(chunk as Buffer);
        await gate.promise;
        if (!to.write(chunk as Buffer) && !to.destroyed) await room(to);
      }
      await gate.promise;
      to.end();
    } catch {
      await gate.promise;
      to.destroy();
    }
  };
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const engine = net.connect({ path: address.slice("unix://".length), allowHalfOpen: true });
    for (const socket of [client, engine]) {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
    }
    let line: Line | null = null;
    void carry(client, engine, async (chunk) => {
      const request = /^((?:GET|HEAD|POST|PUT|DELETE) \S+) HTTP\/1\.1\r\n/.exec(chunk.toString("latin1"))?.[1];
      if (request === undefined) return;
      const answer = proxy.instead(request);
      if (answer !== null) {
        await new Promise<void>((resolve) => client.end(answer, resolve));
        throw new Error("answered");
      }
      line = request;
      await proxy.asked(request);
    });
    void carry(engine, client, async () => {
      const answered = line;
      line = null;
      if (answered !== null) await proxy.answered(answered);
    });
  });
  const proxy: EngineProxy = {
    address: `unix://${dir}/s`,
    instead: () => null,
    asked: () => {},
    answered: () => {},
    freeze: () => (gate = Promise.withResolvers<void>()),
    thaw: () => gate.resolve(),
    close: async () => {
      gate.resolve();
      server.close();
      for (const socket of open) socket.destroy();
      await rm(dir, { recursive: true, force: true });
    },
  };
  server.listen(path.join(dir, "s"));
  await once(server, "listening");
  return proxy;
}
