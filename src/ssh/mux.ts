// OpenSSH's multiplexing protocol (PROTOCOL.mux), as much of it as asks a master whether it lives, tells it to go, and has
// it open and close forwards. Over its Unix socket that takes a millisecond; `ssh -O` costs a process, and says less.

const HELLO = 0x00000001;
const VERSION = 4;
const C_ALIVE_CHECK = 0x10000004;
const C_TERMINATE = 0x10000005;
const C_OPEN_FWD = 0x10000006;
const C_CLOSE_FWD = 0x10000007;
const C_STOP_LISTENING = 0x10000009;
const S_OK = 0x80000001;
const S_PERMISSION_DENIED = 0x80000002;
const S_FAILURE = 0x80000003;
const S_ALIVE = 0x80000005;
const S_REMOTE_PORT = 0x80000007;

/** A master that takes longer is hung, and as good as dead. In milliseconds. */
const PATIENCE_MS = 2000;
/** A reverse forward is asked for at the other end of the world first. In milliseconds. */
const FORWARD_PATIENCE_MS = 15_000;
/** No answer of interest here is longer. */
const LONGEST = 4096;
/** The one request of each connection. */
const REQUEST_ID = 1;

const REQUESTS = { alive: C_ALIVE_CHECK, terminate: C_TERMINATE, stop: C_STOP_LISTENING } as const;

/**
 * Asks the master that listens on a control socket. `terminate` ends it with everything that runs over it; `stop` makes
 * it take no more clients and end when the last one has. Gives whether it agreed: false when nobody listens there,
 * or whoever does is no master. Never throws.
 */
export async function askMaster(controlPath: string, request: keyof typeof REQUESTS): Promise<boolean> {
  const answer = await exchange(controlPath, [word(REQUESTS[request]), word(REQUEST_ID)], PATIENCE_MS);
  // A master that terminates may be gone before its answer is.
  if (answer === "gone") return request === "terminate";
  return answer !== null && answer.type === (request === "alive" ? S_ALIVE : S_OK);
}

/** The process id of the living master, or null where there is none. Never throws. */
export async function masterPid(controlPath: string): Promise<number | null> {
  const answer = await exchange(controlPath, [word(C_ALIVE_CHECK), word(REQUEST_ID)], PATIENCE_MS);
  if (answer === null || answer === "gone" || answer.type !== S_ALIVE || answer.body.length < 8) return null;
  return answer.body.readUInt32BE(4);
}

/** One end of a forward: a TCP port, or a Unix socket. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** `local` listens here and connects there, `reverse` the other way round. */
export interface MuxForward {
  readonly direction: "local" | "reverse";
  readonly listen: Endpoint;
  readonly connect: Endpoint;
}

/** `refused` with the master's reason, `dead` where there is no master. */
export type ForwardAnswer =
  { readonly ok: true } | { readonly ok: false; readonly why: "refused" | "dead"; readonly reason: string };

/** Has the master open or close a forward. A connection that runs through it already stays. Never throws. */
export async function askForward(
  controlPath: string,
  action: "open" | "close",
  { direction, listen, connect }: MuxForward,
): Promise<ForwardAnswer> {
  const answer = await exchange(
    controlPath,
    [
      word(action === "open" ? C_OPEN_FWD : C_CLOSE_FWD),
      word(REQUEST_ID),
      word(direction === "local" ? 1 : 2),
      ...endpoint(listen),
      ...endpoint(connect),
    ],
    FORWARD_PATIENCE_MS,
  );
  if (answer === null || answer === "gone") return { ok: false, why: "dead", reason: "the master does not answer" };
  if (answer.type === S_OK || answer.type === S_REMOTE_PORT) return { ok: true };
  if (answer.type !== S_FAILURE && answer.type !== S_PERMISSION_DENIED)
    return { ok: false, why: "dead", reason: "what listens there is no master" };
  const length = answer.body.length >= 8 ? answer.body.readUInt32BE(4) : 0;
  return { ok: false, why: "refused", reason: answer.body.subarray(8, 8 + length).toString("utf8") };
}

/** Resolves when the master of that socket ends, or `signal` is aborted. */
export async function masterEnd(controlPath: string, signal: AbortSignal): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => end(), { once: true });
  if (signal.aborted) return;
  // A greeted client may say nothing for as long as it likes.
  const socket = Bun.connect({
    unix: controlPath,
    socket: { open: (master) => void master.write(GREETING), data: () => {}, close: () => end(), error: () => end() },
  });
  socket.catch(() => end());
  await ended;
  void socket.then(
    (master) => master.terminate(),
    () => {},
  );
}

interface Answer {
  readonly type: number;
  /** From the request's number on. */
  readonly body: Buffer;
}

/** Greets, sends one request, gives its answer; `gone` when the master agreed to talk and then ended, null for all other failures. */
async function exchange(
  controlPath: string,
  request: readonly Buffer[],
  patienceMs: number,
): Promise<Answer | "gone" | null> {
  const { promise, resolve } = Promise.withResolvers<Answer | "gone" | null>();
  let received = Buffer.alloc(0);
  let greeted = false;
  const gone = (): void => resolve(greeted ? "gone" : null);
  const receive = (bytes: Uint8Array): void => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 4) {
      const length = received.readUInt32BE(0);
      if (length < 4 || length > LONGEST) return resolve(null);
      if (received.length < 4 + length) return;
      const type = received.readUInt32BE(4);
      const body = received.subarray(8, 4 + length);
      received = received.subarray(4 + length);
      if (type !== HELLO) return resolve({ type, body });
      if (body.length < 4 || body.readUInt32BE(0) !== VERSION) return resolve(null);
      greeted = true;
    }
  };
  const timer = setTimeout(() => resolve(null), patienceMs);
  // Both messages are far below what a socket's buffer takes at once.
  const said = Buffer.concat([GREETING, packet(request)]);
  const socket = Bun.connect({
    unix: controlPath,
    socket: {
      open: (master) => void master.write(said),
      data: (_, bytes) => receive(bytes),
      close: gone,
      error: gone,
    },
  });
  socket.catch(gone);
  const answer = await promise;
  clearTimeout(timer);
  void socket.then(
    (master) => master.terminate(),
    () => {},
  );
  return answer;
}

/** In place of a port, what makes the host a path: PORT_STREAMLOCAL, -2 (channels.h). */
const STREAMLOCAL = 0xfffffffe;

function endpoint(end: Endpoint): readonly Buffer[] {
  return "path" in end ? [text(end.path), word(STREAMLOCAL)] : [text(end.host), word(end.port)];
}

function word(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([word(bytes.length), bytes]);
}

function packet(parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([word(body.length), body]);
}

const GREETING = packet([word(HELLO), word(VERSION)]);
