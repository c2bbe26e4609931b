// `sandbox-relay <path>`, run inside a sandbox: connects its standard streams with a Unix socket there, so that the path is
// resolved with the sandbox's own view and rights and never on the host.
import { createReadStream, createWriteStream, writeSync } from "node:fs";
import net from "node:net";
import { pipeline } from "node:stream/promises";
import { errno } from "../../platform/files.ts";

/** The first byte on stdout: whether somebody answered. Everything after it is the socket's. */
export const CONNECTED = 1;
const REFUSED = 0;

/** Takes the socket's path; gives 0 when both directions ended well, 1 when nobody answered (its errno is then on stdout). */
export async function main([path = ""]: readonly string[]): Promise<number> {
  const socket = net.connect({ path, allowHalfOpen: true });
  const refused = await new Promise<string | null>((resolve) => {
    socket.once("connect", () => resolve(null));
    socket.once("error", (error) => resolve(errno(error) ?? "error"));
  });
  if (refused !== null) {
    writeSync(1, Buffer.concat([Buffer.of(REFUSED), Buffer.from(refused)]));
    return 1;
  }
  writeSync(1, Buffer.of(CONNECTED));
  // Files and not process.stdin: those two keep the half-close of either direction.
  const inward = pipeline(createReadStream("", { fd: 0 }), socket);
  const outward = pipeline(socket, createWriteStream("", { fd: 1 }), { end: true });
  await Promise.all([inward, outward]);
  return 0;
}
