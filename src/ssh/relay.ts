// Raw bytes between our standard streams and a TCP port: what ssh wants of a ProxyCommand.
import net from "node:net";
import { bytesOf, type Input, type Outlet } from "../platform/streams.ts";
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
  { stdin, stdout }: { readonly stdin: Input; readonly stdout: Outlet },
  signal: AbortSignal,
): Promise<void> {
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (what: string): void =>
    reject(new RuncodeError("network", what, { hint: "runcode doctor tells what is in the way" }));
  const onAbort = (): void => reject(signal.reason as Error);
  const timer = setTimeout(() => failed(`the gateway ${host}:${port} does not answer`), CONNECT_TIMEOUT_MS);
  const over = new AbortController();
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("connect", () => {
    clearTimeout(timer);
    void send(stdin, socket, over.signal);
  });
  socket.on("data", (chunk: Buffer) => {
    socket.pause();
    stdout.write(chunk, () => socket.resume());
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
    over.abort();
    socket.destroy();
  }
}

async function send(stdin: Input, socket: net.Socket, over: AbortSignal): Promise<void> {
  try {
    for await (const chunk of bytesOf(stdin, over)) {
      await new Promise<void>((taken) => socket.write(chunk, () => taken()));
    }
  } catch {
    // An input that cannot be read any further ends here.
  }
  if (!over.aborted) socket.end();
}
