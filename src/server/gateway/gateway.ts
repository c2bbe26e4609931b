// The SSH server in front of every workspace. It knows of keys and sandboxes only what `Access` tells; whose key it is and
// what a sandbox is made of are decided elsewhere. In this folder: `authenticate` (who is there), `connection` (what is open
// and how its time ends), `session` and `run` (shells, commands, sftp), `forward` and `agent`, `channel` (bytes with flow
// control), `ssh2` (the seam to the library, with every work-around), `shutdown`, and `sftp/`, which runs inside the sandbox.
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Server } from "ssh2";
import type { Connection as Client } from "ssh2";
import type { Access, Grant } from "../workspaces/access.ts";
import { ALGORITHMS } from "./algorithms.ts";
import { authenticate } from "./authenticate.ts";
import { Connection } from "./connection.ts";
import { readHostKey } from "./host-key.ts";
import { Counter, DEFAULT_LIMITS, sourceOf } from "./limits.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import { shutDown } from "./shutdown.ts";
import { DISCONNECT, link, socketOf } from "./ssh2.ts";

export type { GatewayEvent } from "./log.ts";
export type { GatewayLimits } from "./limits.ts";

export interface GatewayOptions {
  readonly access: Access;
  /** An Ed25519 private key without passphrase, as PKCS#8 PEM or in OpenSSH's format. */
  readonly hostKey: string;
  readonly limits?: Partial<GatewayLimits>;
  readonly log?: Log;
  /** Told to every client in the identification string; letters, digits and dots. */
  readonly version?: string;
}

export interface Gateway {
  /** `ssh-ed25519 AAAA…`: what a known_hosts line has after the host. */
  readonly hostKeyLine: string;
  /** Port 0 takes a free one. Rejects with the socket's error, as when the port is taken. */
  listen(host: string, port: number): Promise<{ host: string; port: number }>;
  /** How many authenticated connections are open. */
  readonly connections: number;
  /** Takes nobody new, tells who is there, waits for what runs at most `ms`, then closes. */
  drain(ms: number): Promise<void>;
  /** Ends everything now; leaves no timer, socket or process. Idempotent. */
  close(): Promise<void>;
}

/** What waits to be sent above which nothing more is read from a client: it asks without reading the answers. */
const REPLIES_HIGH_WATER = 8 * 1024 * 1024;

export function createGateway(options: GatewayOptions): Gateway {
  const { access } = options;
  const limits: GatewayLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const log: Log = options.log ?? (() => {});
  const hostKey = readHostKey(options.hostKey);

  const sockets = new Set<Socket>();
  const connections = new Set<Connection>();
  const waiting = new Counter();
  const byGrant = new Counter();
  /** Ends the time that a socket has to authenticate. */
  const admitted = new WeakMap<Socket, () => void>();
  let lastId = 0;

  const ssh = new Server(
    {
      hostKeys: [hostKey.openssh],
      algorithms: ALGORITHMS,
      ident: `runcode_${(options.version ?? "0").replace(/[^\w.]/g, "")}`,
      keepaliveInterval: limits.keepaliveMs,
      keepaliveCountMax: limits.keepaliveCount,
    } as ConstructorParameters<typeof Server>[0],
    (client) => serve(client),
  );

  const tcp = createServer({ noDelay: true }, (socket) => {
    const from = sourceOf(socket.remoteAddress);
    if (waiting.total >= limits.unauthenticatedTotal || waiting.of(from) >= limits.unauthenticatedPerSource) {
      log({ event: "refused", from, why: "too many unauthenticated connections" });
      socket.destroy();
      return;
    }
    const leave = waiting.add(from);
    const grace = setTimeout(() => {
      log({ event: "refused", from, why: "not authenticated in time" });
      socket.destroy();
    }, limits.loginGraceMs);
    const done = (): void => {
      clearTimeout(grace);
      leave();
    };
    admitted.set(socket, done);
    sockets.add(socket);
    socket.once("close", () => {
      done();
      sockets.delete(socket);
    });
    socket.on("error", () => socket.destroy());
    ssh.injectSocket(socket);
  });

  function serve(client: Client): void {
    const id = ++lastId;
    const socket = socketOf(client);
    const from = sourceOf(socket.remoteAddress);
    let grant: Grant | undefined;
    let connection: Connection | undefined;
    const wire = link(client, {
      refuse: () => connection?.refusal() ?? null,
      room: (localId) => connection?.room(localId),
      closed: (localId) => connection?.channelClosed(localId),
      violation: (why) => {
        log({ event: "broken", connection: id, why });
        wire.protocol.disconnect(DISCONNECT.protocolError);
        socket.destroy();
      },
    });

    authenticate(client, access, limits.authTries, {
      granted: (granted) => (grant = granted),
      denied: (tries) => log({ event: "denied", connection: id, from, tries }),
      exhausted: () => {
        wire.protocol.disconnect(DISCONNECT.noMoreMethods);
        socket.destroySoon();
      },
    });
    client.on("ready", () => {
      admitted.get(socket)?.();
      if (grant === undefined) socket.destroy();
      else open(grant);
    });
    // ssh2 sends answers whether the client reads them or not.
    socket.on("data", () => {
      if (socket.writableLength > REPLIES_HIGH_WATER) socket.pause();
    });
    socket.on("drain", () => {
      if (socket.isPaused()) socket.resume();
      connection?.roomForAll();
    });
    client.on("handshake", () => connection?.roomForAll());
    client.on("error", (error: Error & { level?: string }) => {
      log({ event: "broken", connection: id, why: error.level ?? "protocol" });
      // A dead client never ends its own half.
      if (error.level === "client-timeout") socket.destroy();
    });
    client.on("end", () => socket.destroySoon());

    function open(granted: Grant): void {
      const crowded = byGrant.of(granted.sessionId) >= limits.connectionsPerGrant;
      const uncount = byGrant.add(granted.sessionId);
      const disconnected = access.connected(granted, from);
      const since = Date.now();
      const refused = crowded ? `this key has its ${limits.connectionsPerGrant} connections` : null;
      const opened = new Connection({ id, client, link: wire, access, grant: granted, limits, log, refused });
      connection = opened;
      connections.add(opened);
      log({
        event: "opened",
        connection: id,
        from,
        workspaceId: granted.workspaceId,
        sessionId: granted.sessionId,
        client: "ssh",
      });
      if (draining) opened.drain(0);
      client.on("close", () => {
        uncount();
        disconnected();
        log({ event: "closed", connection: id, seconds: Math.round((Date.now() - since) / 1000) });
        void opened.close().finally(() => connections.delete(opened));
      });
    }
  }

  // Both a key's end and its revocation are noticed here; new channels are checked on their own besides.
  const checks = setInterval(() => {
    for (const connection of connections) if (!access.stands(connection.grant)) connection.expire();
  }, limits.grantCheckMs);
  checks.unref();

  let draining = false;
  const parts = { tcp, sockets, connections };
  return {
    hostKeyLine: hostKey.publicLine,
    get connections() {
      return connections.size;
    },
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        tcp.once("error", reject);
        tcp.listen({ host, port, backlog: 1024 }, () => {
          tcp.off("error", reject);
          const bound = tcp.address() as AddressInfo;
          log({ event: "listening", host: bound.address, port: bound.port });
          resolve({ host: bound.address, port: bound.port });
        });
      }),
    drain: async (ms) => {
      draining = true;
      log({ event: "draining", connections: connections.size });
      await shutDown(parts, ms);
      clearInterval(checks);
    },
    close: async () => {
      draining = true;
      clearInterval(checks);
      await shutDown(parts, 0);
    },
  };
}
