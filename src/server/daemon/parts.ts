// What a server is made of, closed in the opposite order of its opening. None of it keeps the others open, and all of it
// together does not keep the server from ending: an engine, or the way to it, may never answer.

/** How long closing may take in all, in milliseconds: less than `serve --stop` waits, and than systemd does by default. */
export const END_MS = 50_000;
/** How long one part may take where it says nothing else. */
const PART_MS = 10_000;

/** Closes a part; gives what it had to leave, for a person, where that is not nothing. */
type Close = () => Promise<readonly string[] | void> | readonly string[] | void;

export interface Parts {
  /** Takes what a person calls the part, how it is closed, and how long that may take, in milliseconds. */
  add(what: string, close: Close, ms?: number): void;
  /** Closes them all; gives what is left, which is nothing where all went well. Never rejects. */
  close(): Promise<readonly string[]>;
}

/** Takes where a line for the operator goes. */
export function createParts(log: (line: string) => void): Parts {
  const parts: { readonly what: string; readonly close: Close; readonly ms: number }[] = [];
  return {
    add: (what, close, ms = PART_MS) => void parts.push({ what, close, ms }),
    close: async () => {
      const until = performance.now() + END_MS;
      const left: string[] = [];
      for (const { what, close, ms } of parts.splice(0).reverse()) {
        // Once the time is over the rest is closed as far as that goes without waiting.
        const over = within(Math.max(0, Math.min(ms, until - performance.now())), [what]);
        const closing = (async () => (await close()) ?? [])().catch((error: unknown) => {
          log(`closing ${what}: ${error instanceof Error ? error.message : String(error)}`);
          return [];
        });
        left.push(...(await Promise.race([closing, over.late])));
        over.stop();
      }
      return left;
    },
  };
}

function within(ms: number, otherwise: readonly string[]): { late: Promise<readonly string[]>; stop: () => void } {
  const { promise: late, resolve } = Promise.withResolvers<readonly string[]>();
  const timer = setTimeout(() => resolve(otherwise), ms);
  return { late, stop: () => clearTimeout(timer) };
}
