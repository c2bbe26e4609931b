// One process on a pseudo-terminal, by Bun.Terminal. What its interface does not offer is made here: an end of output that
// is exact, a stop of the output when nobody reads it and of the input when the program does not, end-of-file, and a hang-up.
import { Readable, Writable } from "node:stream";
import type { ProcessExit, PtyRequest, SandboxProcess } from "./driver.ts";
import { openTerminal } from "./far-side.ts";
import { flowOf, XOFF } from "./terminal-flow.ts";
import { terminalInput } from "./terminal-input.ts";
import { exitOf, signalGroup, type Launch } from "./launch.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** termios bits that Linux and macOS number differently. */
const ICANON = process.platform === "darwin" ? 0x100 : 0x2;
const EOT = "\x04";

/** Unread output above which the terminal is stopped. */
const HIGH_WATER = 256 * 1024;
/**
 * Unread output above which the terminal is hung up: only a program that floods it while its input is full gets there, since
 * the ^S that should stop it then waits behind that input.
 */
const UNREAD_MOST = 128 * 1024 * 1024;
/** How long output may be silent after the process ended before what still holds the terminal is hung up on. */
const LINGER_MS = 100;
/** Between the hang-up and the certain end: a shell on a busy machine must have time to tell its jobs, which nobody else tells (decision 060). */
const HANGUP_GRACE_MS = 3000;

/**
 * Starts a process on a fresh terminal. `controlling` says that the process shall own it at once; a launch that enters a
 * namespace first takes it from inside instead (setsid --ctty). Throws RuncodeError `io` when it cannot be started.
 */
export function launchOnTerminal(what: Launch, pty: PtyRequest, controlling: boolean): SandboxProcess {
  let stopped = false;
  let last = 0;
  let lingering: NodeJS.Timeout | undefined;

  const stdout = new Readable({
    highWaterMark: HIGH_WATER,
    read: () => {
      if (!stopped || terminal.closed) return;
      flow.go();
      stopped = false;
      if (!running) linger();
    },
    destroy: (error, done) => {
      flow.close();
      input.close();
      terminal.close();
      done(error);
    },
  });
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      last = chunk.at(-1) ?? last;
      // Whoever stops it by hand wants it to stay stopped.
      if (chunk.includes(XOFF)) flow.byHand();
      if (terminal.closed) return done();
      input.give(chunk, done);
    },
    final: (done) => {
      // In canonical mode ^D ends the line it is on; only on an empty one is it the end of the file.
      if (!terminal.closed && terminal.localFlags & ICANON) terminal.write(last === 0 || last === 10 ? EOT : EOT + EOT);
      done();
    },
  });
  const input = terminalInput((bytes) => terminal.write(bytes));
  const end = (): void => {
    clearTimeout(lingering);
    flow.close();
    input.close();
    if (!stdout.readableEnded && !stdout.destroyed) stdout.push(null);
    if (!terminal.closed) terminal.close();
  };
  const linger = (): void => {
    clearTimeout(lingering);
    if (stopped) return;
    lingering = setTimeout(end, LINGER_MS);
  };

  let running = true;
  let settle: (exit: ProcessExit) => void = () => {};
  const exited = new Promise<ProcessExit>((resolve) => (settle = resolve));
  const options: Bun.TerminalOptions = {
    cols: pty.columns,
    rows: pty.rows,
    data: (_terminal, data) => {
      if (stdout.destroyed || stdout.readableEnded) return;
      // Bun.Terminal cannot be paused, so the terminal itself is: its output stops in the kernel, with every program.
      if (!stdout.push(Buffer.from(data)) && !stopped) {
        stopped = true;
        flow.stop();
      }
      if (stdout.readableLength > UNREAD_MOST) return end();
      if (!running) linger();
    },
    drain: input.drained,
    exit: end,
  };
  const { child, terminal } = spawnOn(options, controlling, [...what.argv], {
    cwd: what.cwd,
    env: { ...what.env },
    onExit: (child, code, signal) => {
      running = false;
      what.ended?.(child.pid);
      settle(exitOf(code, signal === null ? null : signalName(signal)));
      linger();
    },
  });
  const flow = flowOf(terminal, child.pid);
  what.started?.(child.pid);
  return {
    stdin,
    stdout,
    stderr: null,
    exited,
    resize: (columns, rows) => {
      if (!terminal.closed) terminal.resize(columns, rows);
    },
    signal: (name) => {
      if (running) signalGroup(what.group(child.pid), name);
    },
    kill: () => {
      const group = running ? what.group(child.pid) : 0;
      stdin.destroy();
      stdout.destroy();
      if (!running) return;
      // The hang-up lets a shell tell its jobs; what does not leave for it is ended.
      setTimeout(() => {
        if (!running) return;
        signalGroup(group, "KILL");
        signalGroup(what.group(child.pid), "KILL");
        child.kill("SIGKILL");
      }, HANGUP_GRACE_MS);
    },
  };
}

type SpawnOptions = Pick<Bun.SpawnOptions.OptionsObject<"ignore", "ignore", "ignore">, "cwd" | "env" | "onExit">;

/** Bun makes a terminal that is given inline the child's controlling one; one that was made before it only opens for it. */
function spawnOn(
  options: Bun.TerminalOptions,
  controlling: boolean,
  argv: string[],
  how: SpawnOptions,
): { child: Bun.Subprocess; terminal: Bun.Terminal } {
  try {
    if (controlling) {
      const child = Bun.spawn(argv, { ...how, terminal: options });
      return { child, terminal: child.terminal as Bun.Terminal };
    }
    const { terminal, release } = openTerminal(options);
    const child = Bun.spawn(argv, { ...how, terminal });
    release();
    return { child, terminal };
  } catch (error) {
    throw new RuncodeError("io", "cannot start a process on a terminal", { cause: error });
  }
}

function signalName(signal: number | string): string {
  return typeof signal === "string" ? signal : (signals.get(signal) ?? "KILL");
}
const signals = new Map(Object.entries((await import("node:os")).constants.signals).map(([name, n]) => [n, name]));
