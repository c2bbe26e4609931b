// Stopping a terminal's output in the kernel and letting it go on: the way to keep a program from writing faster than anybody
// reads, since Bun.Terminal reads on whatever happens.
import { closeSync, constants, openSync, readlinkSync } from "node:fs";
import { libc } from "./libc.ts";

/** termios bits that Linux and macOS number differently. */
const IXON = process.platform === "darwin" ? 0x200 : 0x400;
export const XOFF = "\x13";
const XON = "\x11";
/** tcflow(3) on Linux. */
const TCOOFF = 0;
const TCOON = 1;

/**
 * The kernel hands input to the terminal from a queue of its own, which on a busy machine comes late: our ^S may take effect
 * after the output was let go on, and nobody would let it go on then. So that is done again, at intervals that double.
 */
const FIRST_AGAIN_MS = 20;
const LAST_AGAIN_MS = 5000;

export interface Flow {
  stop(): void;
  go(): void;
  /** Somebody has stopped it with a key, and wants it to stay stopped. */
  byHand(): void;
  close(): void;
}

/** Takes a terminal and the process that was just started on it. */
export function flowOf(terminal: Bun.Terminal, pid: number): Flow {
  const name = farSideOf(pid);
  return name === null || libc() === null ? byKeys(terminal) : byCall(name);
}

/** The terminal's name as its own process has it open, or null where there is no /proc, or the process has gone on already. */
function farSideOf(pid: number): string | null {
  try {
    const name = readlinkSync(`/proc/${pid}/fd/0`);
    return name.startsWith("/dev/pts/") ? name : null;
  } catch {
    return null;
  }
}

/** At once, and without a byte that a program could take for input. The far side is open only for the moment of the call. */
function byCall(name: string): Flow {
  const tell = (action: number): void => {
    try {
      const fd = openSync(name, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
      libc()?.tcflow(fd, action);
      closeSync(fd);
    } catch {
      // A terminal that has hung up has nothing to stop.
    }
  };
  return { stop: () => tell(TCOOFF), go: () => tell(TCOON), byHand: () => {}, close: () => {} };
}

/**
 * By ^S and ^Q. The kernel looks at them a moment later, so where output stops and goes on in quick succession one of them may
 * be taken for input: only where nothing better is to be had.
 */
function byKeys(terminal: Bun.Terminal): Flow {
  let ixonWasOn = false;
  let stopped = false;
  let again: NodeJS.Timeout | undefined;
  const goOnAgain = (afterMs: number): void => {
    clearTimeout(again);
    again = setTimeout(() => {
      if (stopped || terminal.closed || !(terminal.inputFlags & IXON)) return;
      terminal.inputFlags &= ~IXON;
      terminal.inputFlags |= IXON;
      if (afterMs < LAST_AGAIN_MS) goOnAgain(afterMs * 2);
    }, afterMs);
  };
  return {
    byHand: () => clearTimeout(again),
    close: () => clearTimeout(again),
    stop: () => {
      stopped = true;
      ixonWasOn = (terminal.inputFlags & IXON) !== 0;
      terminal.inputFlags |= IXON;
      terminal.write(XOFF);
    },
    go: () => {
      stopped = false;
      // Where a program has switched IXON off since, the kernel has let the output go on by itself; a ^Q would be input now.
      if (!(terminal.inputFlags & IXON)) return;
      // Taking IXON away lets a stopped terminal go on (n_tty does so in the kernel). A ^Q alone might wait for ever behind
      // input that a program blocked on its output does not take.
      terminal.inputFlags &= ~IXON;
      if (!ixonWasOn) return;
      terminal.inputFlags |= IXON;
      if (process.platform !== "linux") terminal.write(XON);
      else goOnAgain(FIRST_AGAIN_MS);
    },
  };
}
