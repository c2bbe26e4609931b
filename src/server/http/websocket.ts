// The server's WebSockets: one handler for Bun's listener, which passes every event on to whoever the connection was upgraded
// for. Bun pings by itself; a connection that does not answer is closed.

/** What one connection is told of. */
export interface SocketEvents {
  open(socket: Socket): void;
  message(socket: Socket, data: string | Buffer): void;
  /** Some of what waited to be sent was. */
  drain(socket: Socket): void;
  close(socket: Socket): void;
}
export type Socket = Bun.ServerWebSocket<SocketEvents>;

export interface Sockets {
  /** For Bun.serve. */
  readonly handler: Bun.WebSocketHandler<SocketEvents>;
  /** Takes Bun's server and a request to upgrade; says whether it was one. */
  upgrade(server: Bun.Server<SocketEvents>, request: Request, events: SocketEvents): boolean;
  /** Tells every connection that the server goes. */
  close(): void;
}

/** The longest message: a paste comes in pieces. */
const MESSAGE_BYTES = 64 * 1024;
/** Never reached by what is paused in time; should it be, the connection ends instead of losing bytes. */
const UNSENT_BYTES = 8 * 1024 * 1024;
/** A peer that is gone is noticed within this. */
const SILENCE_SECONDS = 60;

/** RFC 6455 §7.4.1: the endpoint is going away. */
const GOING_AWAY = 1001;

export function createSockets(): Sockets {
  const open = new Set<Socket>();
  return {
    handler: {
      maxPayloadLength: MESSAGE_BYTES,
      backpressureLimit: UNSENT_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: SILENCE_SECONDS,
      sendPings: true,
      perMessageDeflate: false,
      open: (socket) => {
        open.add(socket);
        socket.data.open(socket);
      },
      message: (socket, data) => socket.data.message(socket, data),
      drain: (socket) => socket.data.drain(socket),
      close: (socket) => {
        open.delete(socket);
        socket.data.close(socket);
      },
    },
    upgrade: (server, request, events) => server.upgrade(request, { data: events }),
    close: () => {
      for (const socket of open) socket.close(GOING_AWAY, "the server is going down");
    },
  };
}
