// A helper that nobody uses costs its container memory: whoever holds its connection is told when that has been so for a while.
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Clock } from "../../../platform/clock.ts";
import type { SandboxProcess } from "../driver.ts";
import type { Remote } from "../remote/near.ts";

export interface Idleness {
  readonly clock: Clock;
  /** How long nothing may be open before it counts as idle, in milliseconds. */
  readonly idleMs: number;
}

/**
 * Takes a connection; gives the same one, whose use is watched from now on. `idle` is called when no command, forward or
 * listener has been open for `idleMs`, and not any more once the connection is gone.
 */
export function watchUse(remote: Remote, { clock, idleMs }: Idleness, idle: () => void): Remote {
  let open = 0;
  let gone = false;
  let waiting = new AbortController();
  const wait = (): void => {
    if (open > 0 || gone) return;
    waiting = new AbortController();
    clock.sleep(idleMs, waiting.signal).then(idle, () => {});
  };
  /** Counts as use from now until what was asked for has ended, or could not be had. */
  const during = async <T>(asked: Promise<T>, ended: (it: T) => Promise<unknown>): Promise<T> => {
    open++;
    waiting.abort();
    const over = (): void => {
      open--;
      wait();
    };
    asked.then(ended).then(over, over);
    return await asked;
  };
  void remote.closed.then(() => {
    gone = true;
    waiting.abort();
  });
  wait();
  return {
    ...remote,
    exec: async (request) => await during(remote.exec(request), processEnded),
    sftp: async () => await during(remote.sftp(), processEnded),
    dial: async (target) => await during(remote.dial(target), closed),
    listen: async (target, onConnection) => {
      // Its connections end with it.
      const ended = Promise.withResolvers<void>();
      const listener = await during(remote.listen(target, onConnection), async () => await ended.promise);
      return { ...listener, close: async () => await listener.close().finally(ended.resolve) };
    },
  };
}

/** A child in the background may hold the streams for longer than the process runs. */
async function processEnded({ exited, stdout, stderr }: SandboxProcess): Promise<void> {
  await Promise.all([exited, closed(stdout), stderr && closed(stderr)]);
}

async function closed(stream: Pick<Readable, "closed"> & NodeJS.EventEmitter): Promise<void> {
  if (!stream.closed) await once(stream, "close").catch(() => {});
}
