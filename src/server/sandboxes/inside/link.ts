// The helper's way to the server past the engine (remote/link.ts says what it is).
import { systemClock } from "../../../platform/clock.ts";
import { ADMITTED, firstBytes, LINK_DIR, LINK_SOCKET } from "../remote/link.ts";
import type { Transport } from "../remote/mux.ts";
import { SocketEnd } from "../remote/socket-end.ts";

/** A server that is there answers at once; the engine's stream serves as well, so nobody waits for long. */
const PATIENCE_MS = 2000;

/** Takes the secret; gives the connection, or null where the server does not answer at the socket. */
export async function reachServer(secret: Uint8Array): Promise<Transport | null> {
  const opened = Promise.withResolvers<SocketEnd>();
  try {
    await Bun.connect({ unix: `${LINK_DIR}/${LINK_SOCKET}`, socket: SocketEnd.handler(opened.resolve) });
  } catch {
    return null;
  }
  const end = await opened.promise;
  void end.send(secret);
  const patience = new AbortController();
  const answer = await Promise.race([
    firstBytes(end.input, 1),
    systemClock.sleep(PATIENCE_MS, patience.signal).catch(() => {}),
  ]);
  patience.abort();
  if (answer?.length === 1 && answer[0] === ADMITTED) return end;
  end.close();
  return null;
}
