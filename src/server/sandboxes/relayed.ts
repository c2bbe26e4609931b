// The near end of `sandbox-relay`: a process that answers for a Unix socket inside becomes one stream.
import { Duplex } from "node:stream";
import type { SandboxProcess } from "./driver.ts";
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
  return new Relayed(relay);
}

class Relayed extends Duplex {
  readonly #relay: SandboxProcess;

  constructor(relay: SandboxProcess) {
    super({ allowHalfOpen: true });
    this.#relay = relay;
    relay.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) relay.stdout.pause();
    });
    relay.stdout.on("end", () => this.push(null));
    relay.stdout.on("error", (error) => this.destroy(error));
  }

  override _read(): void {
    this.#relay.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#relay.stdin.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#relay.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#relay.kill();
    done(error);
  }
}
