// Forwards over this machine's own network, which the embedded sandboxes share with it.
import net from "node:net";
import type { Duplex } from "node:stream";
import type { OnConnection, SandboxListener } from "./driver.ts";
import { errno } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** Connects to a port or a Unix socket as the server's own user. Throws RuncodeError `network` when nobody answers there. */
export async function dialHere(target: { host: string; port: number } | { path: string }): Promise<Duplex> {
  // Half-open: a client that has sent its request and closed its half still wants the answer.
  const socket = net.connect({ ...target, allowHalfOpen: true });
  return await new Promise((resolve, reject) => {
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      // Whoever dialled sees the stream close; a reset by the other end is nothing to end the server over.
      socket.on("error", () => {});
      if ("port" in target) socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once("error", (error) => reject(noAnswer(target, error)));
  });
}

export function noAnswer(target: { host: string; port: number } | { path: string }, cause?: unknown): RuncodeError {
  const where = "path" in target ? target.path : `${target.host}:${target.port}`;
  return new RuncodeError("network", `nothing answers at ${where} in the workspace (${errno(cause) ?? "refused"})`, {
    hint: "start the program that should listen there",
    cause,
  });
}

/**
 * Listens on loopback, whatever interface was asked for: as with sshd's `GatewayPorts no`, a forward is not a way to open
 * this machine to its network. Throws RuncodeError `conflict` when the port is taken, `forbidden` when it may not be had.
 */
export async function listenOnPort(host: string, port: number, onConnection: OnConnection): Promise<SandboxListener> {
  return await listening({ host: host === "::1" ? "::1" : "127.0.0.1", port }, `port ${port}`, onConnection);
}

/** Listens on a Unix socket of this machine. Throws RuncodeError `conflict` when there is a file of that name. */
export async function listenOnPath(path: string, onConnection: OnConnection, name = path): Promise<SandboxListener> {
  return await listening({ path }, name, onConnection);
}

async function listening(
  where: { host: string; port: number } | { path: string },
  name: string,
  onConnection: OnConnection,
): Promise<SandboxListener> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    onConnection(socket, { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(name, error)));
    server.listen(where, resolve);
  });
  server.on("error", () => {});
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: async () => {
      if (!server.listening) return;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      });
    },
  };
}

function cannotListen(name: string, error: unknown): RuncodeError {
  const code = errno(error);
  if (code === "EACCES" || code === "EPERM")
    return new RuncodeError("forbidden", `the workspace may not listen on ${name}`, { cause: error });
  if (code === "EADDRINUSE")
    return new RuncodeError("conflict", `${name} is already taken in the workspace`, { cause: error });
  return new RuncodeError("conflict", `cannot listen on ${name} in the workspace (${code ?? "error"})`, {
    cause: error,
  });
}
