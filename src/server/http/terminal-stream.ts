// One terminal: a shell in a workspace on one side, a WebSocket on the other. Binary frames are bytes. Text frames are JSON:
//   → {"type":"resize","columns":80,"rows":24}
//   → {"type":"window","bytes":524288}      from the first one on, no more output is sent than was allowed so far
//   ← {"type":"exit","code":0}              or "signal":"KILL"; after the last byte, then the connection is closed
// Neither side makes this process grow: output stops being read from the shell while the peer does not take it, input stops
// being read from the peer while the shell does not take it.
import * as v from "valibot";
import type { Sandbox, SandboxProcess } from "../sandboxes/driver.ts";
import type { Socket, SocketEvents } from "./websocket.ts";

const Size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000));
const Control = v.variant("type", [
  v.object({ type: v.literal("resize"), columns: Size, rows: Size }),
  v.object({ type: v.literal("window"), bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) }),
]);

/** Close codes, in the range that RFC 6455 §7.4.2 leaves to applications; the page shows the reason that comes with one. */
export const CLOSE = { ended: 1000, malformed: 1008, notRunning: 4409, full: 4429, loggedOut: 4401, failed: 4500 };

/** Unsent bytes above which the shell's output is paused, and below which it goes on. */
const HIGH_WATER = 512 * 1024;
const LOW_WATER = 64 * 1024;

export interface TerminalOptions {
  readonly sandbox: () => Promise<Sandbox>;
  readonly columns: number;
  readonly rows: number;
  /** Asked every `recheckMs`: whoever logs out has no terminal left. */
  readonly allowed: () => boolean;
  readonly recheckMs: number;
  /** Told once, when the connection is closed. */
  readonly closed: () => void;
  readonly log: (line: string) => void;
}

/** Gives what a connection is upgraded with: it starts the shell when it opens, and ends it when it closes. */
export function terminalEvents(options: TerminalOptions): SocketEvents {
  let shell: SandboxProcess | null = null;
  let gone = false;
  /** Bytes that may still be sent; null while the peer has not said. */
  let window: number | null = null;
  let size = { columns: options.columns, rows: options.rows };
  let recheck: NodeJS.Timeout | undefined;

  const mayGoOn = (socket: Socket): void => {
    if (shell?.stdout.isPaused() && socket.getBufferedAmount() <= LOW_WATER && (window === null || window > 0)) {
      shell.stdout.resume();
    }
  };

  const begin = async (socket: Socket): Promise<void> => {
    // What is typed before there is a shell waits in the peer's socket.
    socket.pause();
    let started: SandboxProcess;
    try {
      started = await startShell(await options.sandbox(), size);
    } catch (error) {
      socket.close(CLOSE.failed, closeReason(error));
      return;
    }
    if (gone) return started.kill();
    shell = started;
    shell.resize(size.columns, size.rows);
    shell.stdin.on("drain", () => gone || socket.resume());
    // A shell that ended takes no more input; its end is told by `exited`.
    shell.stdin.on("error", () => {});
    shell.stdout.on("error", () => {});
    shell.stdout.on("data", (bytes: Buffer) => {
      if (gone) return;
      socket.sendBinary(bytes);
      if (window !== null) window -= bytes.length;
      if (socket.getBufferedAmount() > HIGH_WATER || (window !== null && window <= 0)) started.stdout.pause();
    });
    shell.stdout.once("close", () => {
      void started.exited.then((exit) => {
        if (gone) return;
        socket.send(
          JSON.stringify({ type: "exit", ...("code" in exit ? { code: exit.code } : { signal: exit.signal }) }),
        );
        socket.close(CLOSE.ended, "the shell ended");
      });
    });
    socket.resume();
  };

  const control = (socket: Socket, text: string): void => {
    const message = v.safeParse(Control, parseJson(text));
    if (!message.success) return socket.close(CLOSE.malformed, "that is no control message");
    if (message.output.type === "window") {
      window = Math.min((window ?? 0) + message.output.bytes, Number.MAX_SAFE_INTEGER);
      return mayGoOn(socket);
    }
    size = { columns: message.output.columns, rows: message.output.rows };
    shell?.resize(size.columns, size.rows);
  };

  return {
    open: (socket) => {
      recheck = setInterval(() => {
        if (!options.allowed()) socket.close(CLOSE.loggedOut, "you have logged out");
      }, options.recheckMs);
      begin(socket).catch((error: unknown) => {
        options.log(`terminal: ${String(error)}`);
        socket.close(CLOSE.failed, "the server made a mistake; its log says more");
      });
    },
    message: (socket, data) => {
      if (typeof data === "string") return control(socket, data);
      if (shell && !shell.stdin.writableEnded && !shell.stdin.destroyed && !shell.stdin.write(data)) socket.pause();
    },
    drain: mayGoOn,
    close: () => {
      gone = true;
      clearInterval(recheck);
      shell?.kill();
      options.closed();
    },
  };
}

/** A login shell in the project directory; at home where somebody has removed that. */
async function startShell(sandbox: Sandbox, size: { columns: number; rows: number }): Promise<SandboxProcess> {
  const request = { command: null, pty: { term: "xterm-256color", ...size }, env: { COLORTERM: "truecolor" } };
  try {
    return await sandbox.exec({ ...request, cwd: sandbox.workdir });
  } catch {
    return sandbox.exec(request);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 6455 §5.5.1 leaves 123 bytes for it. */
function closeReason(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return Buffer.from(reason)
    .subarray(0, 120)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}
