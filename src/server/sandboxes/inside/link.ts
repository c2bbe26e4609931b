// The helper's way to the server past the engine (remote/link.ts says what it is).
import { systemClock } from "../../../platform/clock.ts";
import { receiveDescriptors } from "../remote/descriptors.ts";
import { ADMITTED, firstBytes, LINK_DIR, LINK_SOCKET, PROOF } from "../remote/link.ts";
import type { Transport } from "../remote/mux.ts";
import { SocketEnd } from "../remote/socket-end.ts";
import { closeSync } from "node:fs";

/** A server that is there answers at once; the engine's stream serves as well, so nobody waits for long. */
const PATIENCE_MS = 2000;

/** Takes the secret; gives the connection, or null where the server does not answer at the socket. */
export async function reachServer(secret: Uint8Array): Promise<Transport | null> {
  const link = await show(secret, () => {});
  if (!link) return null;
  const patience = new AbortController();
  const answer = await Promise.race([
    firstBytes(link.input, 1),
    systemClock.sleep(PATIENCE_MS, patience.signal).catch(() => {}),
  ]);
  patience.abort();
  if (answer?.length !== 1 || answer[0] !== ADMITTED) {
    link.close();
    return null;
  }
  const descriptors = await reachForDescriptors(secret);
  const close = (): void => {
    link.close();
    descriptors?.close();
  };
  return { input: link.input, send: link.send, take: descriptors?.take, close };
}

/** Gives where descriptors come, or null where none do. Nothing else is done here until it is known. */
async function reachForDescriptors(secret: Uint8Array): Promise<Required<Pick<Transport, "take" | "close">> | null> {
  const end = await show(secret, (socket) => socket.leave());
  const take = (id: number, patienceMs = 0): readonly number[] | null => {
    const socket = end?.descriptor ?? null;
    return socket === null ? null : receiveDescriptors(socket, id, patienceMs);
  };
  const proof = take(PROOF, PATIENCE_MS);
  for (const descriptor of proof ?? []) closeSync(descriptor);
  if (end && proof) return { take, close: end.close };
  end?.close();
  return null;
}

/** Connects and shows the secret; `opened` is told of the socket before anything can have come. */
async function show(secret: Uint8Array, opened: (end: SocketEnd) => void): Promise<SocketEnd | null> {
  const connected = Promise.withResolvers<SocketEnd>();
  const handler = SocketEnd.handler((end) => {
    opened(end);
    connected.resolve(end);
  });
  try {
    await Bun.connect({ unix: `${LINK_DIR}/${LINK_SOCKET}`, socket: handler });
  } catch {
    return null;
  }
  const end = await connected.promise;
  void end.send(secret);
  return end;
}
