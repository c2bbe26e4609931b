// Whose turn it is on one thing. What is done to it alone waits for all that came before; what may be done together waits only
// for what is done alone.

export interface Turns {
  /** Runs `work` when everything that was asked of `key` before is over, however it went; gives what it gives, throws what it throws. */
  alone<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** As `alone`, beside others that are done together. */
  together<T>(key: string, work: () => Promise<T>): Promise<T>;
}

interface Line {
  alone: Promise<unknown>;
  together: Promise<unknown>;
  /** How many are in it. */
  length: number;
}

/** Gives turns that nobody has taken yet. */
export function createTurns(): Turns {
  const lines = new Map<string, Line>();
  const settled = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {});
  const join = async <T>(key: string, begin: (line: Line) => Promise<T>): Promise<T> => {
    const line = lines.get(key) ?? { alone: Promise.resolve(), together: Promise.resolve(), length: 0 };
    lines.set(key, line);
    line.length++;
    try {
      return await begin(line);
    } finally {
      if (--line.length === 0) lines.delete(key);
    }
  };
  return {
    alone: (key, work) =>
      join(key, (line) => {
        const turn = Promise.all([line.alone, line.together]).then(work);
        line.alone = settled(turn);
        line.together = line.alone;
        return turn;
      }),
    together: (key, work) =>
      join(key, (line) => {
        const turn = line.alone.then(work);
        line.together = Promise.all([line.together, settled(turn)]);
        return turn;
      }),
  };
}
