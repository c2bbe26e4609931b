// The end of a gateway: nobody new, then those who are there, then the sockets.
import type { Server as TcpServer, Socket } from "node:net";
import type { Connection } from "./connection.ts";

export interface Parts {
  readonly tcp: TcpServer;
  readonly sockets: ReadonlySet<Socket>;
  readonly connections: ReadonlySet<Connection>;
}

/** Waits at most `ms` for what runs; 0 ends it at once. Settles when the last process and socket is gone. Idempotent. */
export async function shutDown({ tcp, sockets, connections }: Parts, ms: number): Promise<void> {
  const stopped = new Promise<void>((resolve) => tcp.close(() => resolve()));
  if (ms > 0) {
    for (const connection of connections) connection.drain(ms);
    const until = Date.now() + ms + 1000;
    while (connections.size > 0 && Date.now() < until) await Bun.sleep(25);
  }
  for (const connection of connections) connection.kill();
  const ends = [...connections].map((connection) => connection.close());
  for (const socket of sockets) socket.destroy();
  await Promise.all(ends);
  await stopped;
}
