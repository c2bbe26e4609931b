// The process driver with something in its way: faults and delays that no machine gives on demand.
import { RuncodeError } from "../../src/protocol/errors.ts";
import type { Driver } from "../../src/server/sandboxes/driver.ts";

/** The real driver behind a gate: each start waits until the test lets it go on, and is counted. */
export function gated(): {
  wrap: (driver: Driver) => Driver;
  starts: number;
  stops: number;
  begun: Promise<void>;
  go: () => void;
} {
  const began = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const counts = {
    starts: 0,
    stops: 0,
    begun: began.promise,
    go: gate.resolve,
    wrap: (driver: Driver): Driver => ({
      name: driver.name,
      isolation: driver.isolation,
      probe: () => driver.probe(),
      create: (spec) => driver.create(spec),
      recover: (spec) => driver.recover(spec),
      delete: (spec) => driver.delete(spec),
      close: () => driver.close(),
      start: async (spec, options) => {
        counts.starts += 1;
        began.resolve();
        await gate.promise;
        options?.signal?.throwIfAborted();
        const sandbox = await driver.start(spec, options);
        const stop = sandbox.stop.bind(sandbox);
        sandbox.stop = (how) => {
          counts.stops += 1;
          return stop(how);
        };
        return sandbox;
      },
    }),
  };
  return counts;
}

/** The real driver, with one method in place of its own. */
export const altered =
  (change: (driver: Driver) => Partial<Driver>) =>
  (driver: Driver): Driver => {
    const methods = ["probe", "create", "start", "recover", "delete", "close"] as const;
    const bound = Object.fromEntries(methods.map((name) => [name, driver[name].bind(driver)]));
    return { name: driver.name, isolation: driver.isolation, ...bound, ...change(driver) } as Driver;
  };

export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof RuncodeError ? error.code : String(error)),
  );
