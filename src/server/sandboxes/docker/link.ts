// The server's end of a link (remote/link.ts): a directory of the workspace's own that its container sees read-only, and a
// socket in it for as long as a helper is awaited. What connects there is hostile until it has shown the secret, and nobody
// can connect once the helper has said how it goes on.
import { randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, lstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { ensurePrivateDir } from "../../../platform/files.ts";
import { sendDescriptors } from "../remote/descriptors.ts";
import { ADMITTED, BY_LINK, firstBytes, LINK_SOCKET, PROOF, SECRET_BYTES } from "../remote/link.ts";
import type { Transport } from "../remote/mux.ts";
import { SocketEnd } from "../remote/socket-end.ts";

/** sun_path of unix(7), without the zero at its end. */
const LONGEST_PATH = 107;
/** Of those who have not shown the secret, the oldest leaves for one more: a helper shows it at once. */
const MOST_WAITING = 16;
/** What a helper that has ended wrote last may still be in the socket. */
const LAST_WORDS_MS = 1000;

/**
 * Makes the directory below `root`, which nobody else of this machine may enter; gives null where it cannot be had. What the
 * container sees of it is open to every user inside.
 */
export async function linkDir(root: string): Promise<string | null> {
  const dir = path.join(root, "link");
  if (Buffer.byteLength(path.join(dir, LINK_SOCKET)) > LONGEST_PATH) return null;
  try {
    await ensurePrivateDir(root);
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
    return dir;
  } catch {
    return null;
  }
}

export interface Door {
  /**
   * Takes the stream to a helper that was started with `--link`; gives what the helper chooses to go on with, which it has done
   * when it says its first word. Nothing is to be said to it before.
   */
  readonly choose: (stream: Transport) => Transport;
  /** Nobody is let in any more; who is inside stays. */
  readonly close: () => Promise<void>;
}

/** Listens for one helper; gives null where that cannot be done. */
export async function openDoor(dir: string): Promise<Door | null> {
  const file = path.join(dir, LINK_SOCKET);
  const secret = randomBytes(SECRET_BYTES);
  const waiting = new Set<SocketEnd>();
  let admitted: SocketEnd | null = null;
  let passage: SocketEnd | null = null;
  let taken = false;
  let over = false;
  const look = async (guest: SocketEnd): Promise<void> => {
    waiting.add(guest);
    if (waiting.size > MOST_WAITING) [...waiting][0]?.close();
    const shown = await firstBytes(guest.input);
    waiting.delete(guest);
    if (over || passage || shown.length !== SECRET_BYTES || !timingSafeEqual(shown, secret)) return guest.close();
    if (admitted) {
      // Nothing that it says there is of interest, descriptors least of all.
      guest.leave();
      if (prove(guest)) passage = guest;
      else guest.close();
    } else {
      admitted = guest;
      void guest.send(Buffer.of(ADMITTED));
    }
  };
  const close = (): void => {
    over = true;
    for (const guest of waiting) guest.close();
    if (!taken) for (const guest of [admitted, passage]) guest?.close();
  };
  const stop = await listenAt(file, (guest) => void look(guest));
  if (!stop) return null;
  return {
    choose: (stream) => {
      let chosen = stream;
      void stream.send(secret);
      const choose = async function* (): AsyncGenerator<Uint8Array> {
        const words = stream.input[Symbol.asyncIterator]();
        const first = await words.next();
        taken = !over && admitted !== null && !first.done && first.value[0] === BY_LINK;
        if (taken && admitted) chosen = linked(admitted, passage, stream, words);
        yield* chosen === stream ? after(first, words) : chosen.input;
      };
      return {
        input: choose(),
        send: (...parts) => chosen.send(...parts),
        close: () => chosen.close(),
        get pass() {
          return chosen.pass;
        },
      };
    },
    close: async () => {
      close();
      await stop();
    },
  };
}

/**
 * Listens in a file that may be a former door's, and then is that one's no more. Gives what ends it, which leaves alone a file
 * that a later door has put there; null where it cannot be done.
 */
async function listenAt(file: string, opened: (guest: SocketEnd) => void): Promise<(() => Promise<void>) | null> {
  // A listener that is stopped removes the name that it was made with, whoever has it by then: this one's is nobody else's.
  const own = path.join(path.dirname(file), randomBytes(LINK_SOCKET.length / 2).toString("hex"));
  let listener: { stop(): void } | null = null;
  let inode: number | null = null;
  const stop = async (): Promise<void> => {
    try {
      // Nothing comes between the look and the removal, and the number is not given again as long as this one listens.
      if (inode !== null && lstatSync(file).ino === inode) unlinkSync(file);
    } catch {
      // Somebody else has removed it.
    }
    listener?.stop();
    await rm(own, { force: true }).catch(() => {});
  };
  try {
    listener = Bun.listen({ unix: own, socket: SocketEnd.handler(opened) });
    // Its user inside may be any; others on this machine do not get as far as the directory.
    await chmod(own, 0o666);
    const { ino } = lstatSync(own);
    renameSync(own, file);
    inode = ino;
    return stop;
  } catch {
    await stop();
    return null;
  }
}

/** The stream stays as the line that the helper's life hangs on: nothing is said there any more, and its end is the helper's. */
function linked(
  link: Transport,
  passage: SocketEnd | null,
  stream: Transport,
  words: AsyncIterator<Uint8Array>,
): Transport {
  let timer: NodeJS.Timeout | undefined;
  const close = (): void => {
    clearTimeout(timer);
    link.close();
    passage?.close();
    stream.close();
  };
  const ended = (): void => {
    stream.close();
    timer = setTimeout(close, LAST_WORDS_MS);
  };
  words.next().then(ended, ended);
  const pass = passage
    ? (id: number, descriptors: readonly number[]): boolean => send(passage, id, descriptors)
    : undefined;
  return { input: link.input, send: link.send, close, pass };
}

/** Sends the descriptor of something that says nothing to anybody, so that the helper sees that one arrives. */
function prove(guest: SocketEnd): boolean {
  try {
    const nothing = openSync("/dev/null", "r");
    try {
      return send(guest, PROOF, [nothing]);
    } finally {
      closeSync(nothing);
    }
  } catch {
    return false;
  }
}

function send(passage: SocketEnd, id: number, descriptors: readonly number[]): boolean {
  const socket = passage.descriptor;
  return socket !== null && sendDescriptors(socket, id, descriptors);
}

async function* after(first: IteratorResult<Uint8Array>, words: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.done) return;
  yield first.value.subarray(1);
  yield* { [Symbol.asyncIterator]: () => words };
}
