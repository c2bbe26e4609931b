// OpenSSH's multiplexing protocol (PROTOCOL.mux), as much of it as asks a master whether it lives and tells it to go. Over
// its Unix socket that takes a millisecond; `ssh -O check` costs a process.
import net from "node:net";

const HELLO = 0x00000001;
const VERSION = 4;
const C_ALIVE_CHECK = 0x10000004;
const C_TERMINATE = 0x10000005;
const C_STOP_LISTENING = 0x10000009;
const S_OK = 0x80000001;
const S_ALIVE = 0x80000005;

/** A master that takes longer is hung, and as good as dead. In milliseconds. */
const PATIENCE_MS = 2000;
/** No answer of interest here is longer. */
const LONGEST = 4096;

const REQUESTS = { alive: C_ALIVE_CHECK, terminate: C_TERMINATE, stop: C_STOP_LISTENING } as const;

/**
 * Asks the master that listens on a control socket. `terminate` ends it with everything that runs over it; `stop` makes
 * it take no more clients and end when the last one has. Gives whether it agreed: false when nobody listens there,
 * or whoever does is no master. Never throws.
 */
export function askMaster(controlPath: string, request: keyof typeof REQUESTS): Promise<boolean> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = net.connect(controlPath);
    const finish = (agreed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(agreed);
    };
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    socket.on("error", () => finish(false));
    socket.on("connect", () => {
      socket.write(packet(HELLO, VERSION));
      socket.write(packet(REQUESTS[request], 1));
    });
    // A master that terminates may be gone before its answer is.
    socket.on("close", () => finish(request === "terminate" && received.length > 0));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        if (received.length < 4) return;
        const length = received.readUInt32BE(0);
        if (length < 4 || length > LONGEST) return finish(false);
        if (received.length < 4 + length) return;
        const type = received.readUInt32BE(4);
        const body = received.subarray(8, 4 + length);
        received = received.subarray(4 + length);
        if (type === HELLO) {
          if (body.length < 4 || body.readUInt32BE(0) !== VERSION) return finish(false);
        } else return finish(type === (request === "alive" ? S_ALIVE : S_OK));
      }
    });
  });
}

function packet(type: number, word: number): Buffer {
  const buffer = Buffer.alloc(12);
  buffer.writeUInt32BE(8, 0);
  buffer.writeUInt32BE(type, 4);
  buffer.writeUInt32BE(word, 8);
  return buffer;
}
