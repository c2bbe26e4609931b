// The three standard streams, as much of them as a command uses: a test can hold them in memory and tell them to be a terminal.

export interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
}

export interface Outlet {
  readonly isTTY?: boolean;
  /** Takes bytes or text, in order; `done` is called once they have been passed on, or never will be: with the reason then. */
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
}

export interface Streams {
  readonly stdin: Input;
  readonly stdout: Outlet;
  readonly stderr: Outlet;
}

/** Reads to the end; throws the signal's reason as soon as that is aborted, and what reading throws. Text comes as UTF-8. */
export async function* bytesOf(stream: Input, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const source = stream[Symbol.asyncIterator]();
  let next = Promise.withResolvers<IteratorResult<Uint8Array | string>>();
  const onAbort = (): void => next.reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      next = Promise.withResolvers();
      source.next().then(next.resolve, next.reject);
      const { done, value } = await next.promise;
      if (done === true) return;
      yield typeof value === "string" ? Buffer.from(value) : value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
