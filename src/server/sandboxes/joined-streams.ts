// Two one-way streams as one that goes both ways.
import { Duplex } from "node:stream";
import type { SandboxProcess } from "./driver.ts";

type Halves = Pick<SandboxProcess, "stdin" | "stdout" | "kill">;

/** One stream made of two, each direction ending by itself; destroying it ends what holds both. */
export class JoinedStreams extends Duplex {
  readonly #from: Halves;

  constructor(from: Halves) {
    super({ allowHalfOpen: true });
    this.#from = from;
    from.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) from.stdout.pause();
    });
    from.stdout.on("end", () => this.push(null));
    from.stdout.on("error", (error) => this.destroy(error));
  }

  override _read(): void {
    this.#from.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#from.stdin.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#from.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#from.kill();
    done(error);
  }
}
