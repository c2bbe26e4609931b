// Raw bytes between our standard streams and a TCP port: what ssh wants of a ProxyCommand.
import net from "node:net";
import type { Readable, Writable } from "node:stream";
import { RuncodeError } from "../protocol/errors.ts";

/** As ConnectTimeout in the config of a session. In milliseconds. */
const CONNECT_TIMEOUT_MS = 15_000;

/**
 * Connects and carries bytes both ways, no faster than each side takes them. The end of our input closes one half of the
 * connection; the end of the other half ends this. Throws RuncodeError `network` when nobody answers or the connection breaks, and the
 * signal's reason when that is aborted.
 */
export async function relay(
  { host, port }: { readonly host: string; readonly port: number },
  { stdin, stdout }: { readonly stdin: Readable; readonly stdout: Writable },
  signal: AbortSignal,
): Promise<void> {
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (what: string): void =>
    reject(new RuncodeError("network", what, { hint: "runcode doctor tells what is in the way" }));
  const onAbort = (): void => reject(signal.reason as Error);
  const timer = setTimeout(() => failed(`the gateway ${host}:${port} does not answer`), CONNECT_TIMEOUT_MS);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("connect", () => {
    clearTimeout(timer);
    stdin.pipe(socket);
    socket.pipe(stdout, { end: false });
  });
  socket.on("error", (error: NodeJS.ErrnoException) =>
    failed(`the connection to the gateway ${host}:${port} failed: ${error.code ?? error.message}`),
  );
  socket.on("end", resolve).on("close", resolve);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    stdin.unpipe(socket);
    stdin.pause();
    socket.destroy();
  }
}
