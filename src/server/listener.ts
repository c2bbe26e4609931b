// An HTTP listener: an application on an address, and how it ends in good order.
import { errno, ioError } from "../platform/files.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { urlHost, type Address } from "./daemon/options.ts";

/** How long open connections may go on when the server ends, in milliseconds. */
export const DRAIN_MS = 5_000;

export interface HttpListener<Socket> {
  readonly address: Address;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** What listens, and the flag that gives it another address: for whoever finds the port taken. */
  readonly what: string;
  readonly flag: string;
  /** A request that takes longer than this without a byte is given up; 0 is never. */
  readonly idleSeconds: number;
  readonly fetch: (request: Request, server: Bun.Server<Socket>) => Response | Promise<Response>;
  /** What is answered once the listener closes. */
  readonly closing: () => Response;
  readonly websocket?: Bun.WebSocketHandler<Socket>;
}

export interface OpenHttp {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens. Throws RuncodeError `io`. */
export function listenHttp<Socket>({ address, tls, ...of }: HttpListener<Socket>): OpenHttp {
  let closing = false;
  let server: Bun.Server<Socket>;
  try {
    server = Bun.serve({
      hostname: address.host,
      port: address.port,
      idleTimeout: of.idleSeconds,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      fetch: (request: Request, bun: Bun.Server<Socket>) => {
        // A connection that was kept alive goes on after the listener is closed; what comes on it is too late.
        return closing ? of.closing() : of.fetch(request, bun);
      },
      ...(of.websocket ? { websocket: of.websocket } : {}),
    } as Bun.Serve.Options<Socket>);
  } catch (error) {
    throw cannotListen(address, of.what, of.flag, error);
  }
  return {
    port: server.port ?? address.port,
    close: async () => {
      closing = true;
      void server.stop(false);
      // Lets the answers that are under way go out. `stop(false)` resolves only when idle connections are gone as well, which
      // would be when their clients like it; there is no event for the last answer, so it is asked for.
      const until = Date.now() + DRAIN_MS;
      while (server.pendingRequests > 0 && Date.now() < until) await Bun.sleep(5);
      await server.stop(true);
    },
  };
}

/** Takes what went wrong with an address; gives the error for whoever chose it. */
export function cannotListen({ host, port }: Address, what: string, flag: string, error: unknown): RuncodeError {
  const where = `cannot listen on ${urlHost(host)}:${port} for ${what}`;
  if (errno(error) !== "EADDRINUSE") return ioError(where, error);
  return new RuncodeError("io", `${where}: the port is taken`, {
    hint: `stop what has it, or give another: ${flag} ${urlHost(host)}:0 takes a free one`,
    cause: error,
  });
}
