// A runtime API that is silent for as long as a test wants it to be.

export interface SilentServer {
  readonly base: string;
  /** Resolves when so many calls are waiting. */
  asked(calls: number): Promise<void>;
  /** From now on every call is answered, those that wait too. */
  answer(): void;
  close(): Promise<void>;
}

/** Gives one that is silent at first. `GET /silent` is never answered; `GET /answer` does what `answer` does. */
export function silentServer(): SilentServer {
  const go = Promise.withResolvers<void>();
  const ports = {};
  const answer = { runtime_id: "x", container_id: "y", status: "exited", message: "", name: "x", image: "i", ports };
  let waiting = 0;
  const listeners = new Set<() => void>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/silent") return await new Promise<Response>(() => {});
      if (pathname === "/answer") go.resolve();
      waiting++;
      for (const listener of listeners) listener();
      await go.promise;
      return Response.json({ ...answer, created_at: "2026-01-01T00:00:00.000000Z" });
    },
  });
  return {
    base: `http://127.0.0.1:${server.port}`,
    asked: async (calls) => {
      await new Promise<void>((resolve) => {
        const look = (): void => void (waiting >= calls && resolve());
        listeners.add(look);
        look();
      });
    },
    answer: () => go.resolve(),
    close: async () => await server.stop(true),
  };
}
