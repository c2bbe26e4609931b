// The near end of `sandbox-relay`: a process that answers for a Unix socket inside becomes one stream.
import type { Duplex } from "node:stream";
import type { SandboxProcess } from "./driver.ts";
import { JoinedStreams } from "./joined-streams.ts";
import { CONNECTED } from "./relay.ts";
import { noAnswer } from "./sockets.ts";

/** Takes the relay just started; gives the stream once somebody answered at `path`. Throws RuncodeError `network` when nobody did. */
export async function connected(relay: SandboxProcess, path: string): Promise<Duplex> {
  relay.stderr?.resume();
  const answer = await new Promise<number>((resolve) => {
    const look = (): void => {
      const [first] = (relay.stdout.read(1) as Buffer | null) ?? [];
      if (first === undefined) return;
      settle(first);
    };
    const settle = (value: number): void => {
      relay.stdout.off("readable", look).off("end", ended);
      resolve(value);
    };
    const ended = (): void => settle(-1);
    relay.stdout.on("readable", look).on("end", ended);
  });
  if (answer !== CONNECTED) {
    relay.kill();
    throw noAnswer({ path });
  }
  return new JoinedStreams(relay);
}
