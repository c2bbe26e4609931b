// What is typed at a terminal, at the speed at which its program reads. Bun.Terminal accepts everything and keeps what the
// kernel does not take yet, so asking for more before it has drained would let a client that types at a program that does
// not read fill our memory.

/** Kept back of each piece, to have something to nudge with. */
const RESERVE = 64;
const NUDGE_MS = 20;
const LONGEST_NUDGE_MS = 2_000;
const NOTHING = Buffer.alloc(0);

export interface TerminalInput {
  /** Hands a piece to the terminal; `done` is called when the next one may come. */
  give(piece: Buffer, done: () => void): void;
  /** To be called on the terminal's `drain`. */
  readonly drained: () => void;
  /** Lets go of what still waits. */
  close(): void;
}

/**
 * Takes the terminal's `write`. A terminal that was full does not always tell that it has room again (measured on Linux: one
 * wait in about a thousand, since the kernel wakes the writer before it has freed what was read), and then drains only with
 * the next write. So while a wait lasts, what was kept back is written byte by byte, ever more slowly.
 */
export function terminalInput(write: (bytes: Buffer) => void): TerminalInput {
  let rest: Buffer = NOTHING;
  let waiting: (() => void) | null = null;
  let nudge: NodeJS.Timeout | undefined;

  const finish = (): void => {
    clearTimeout(nudge);
    const done = waiting;
    waiting = null;
    done?.();
  };
  const hand = (bytes: Buffer, pause: number): void => {
    clearTimeout(nudge);
    nudge = setTimeout(() => {
      if (rest.length === 0) return finish();
      const byte = rest.subarray(0, 1);
      rest = rest.subarray(1);
      hand(byte, Math.min(pause * 2, LONGEST_NUDGE_MS));
    }, pause);
    write(bytes);
  };
  return {
    give: (piece, done) => {
      const kept = piece.length > RESERVE ? RESERVE : 0;
      waiting = done;
      rest = piece.subarray(piece.length - kept);
      hand(piece.subarray(0, piece.length - kept), NUDGE_MS);
    },
    drained: () => {
      // A terminal drains of our own ^S and ^Q as well.
      if (!waiting) return;
      if (rest.length === 0) return finish();
      const bytes = rest;
      rest = NOTHING;
      hand(bytes, NUDGE_MS);
    },
    close: () => {
      rest = NOTHING;
      finish();
    },
  };
}
