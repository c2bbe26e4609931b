// A process on the far side, from the server's end: what is said of it goes through its channel, and its standard streams
// through the channel as well, or through pipes that reach from the server into the sandbox.
import { PassThrough, type Readable } from "node:stream";
import * as v from "valibot";
import type { ProcessExit, SandboxProcess } from "../driver.ts";
import { openPipes, type Pipes } from "../pipes.ts";
import { Exit, type Order } from "./messages.ts";
import type { Channel, Transport } from "./mux.ts";

type Streams = Pipes["ours"];

/**
 * Gives what makes pipes and hands their far ends over, each time with another id; null for a process whose streams are to be the
 * channel's, be it for once. The near ends are the caller's to destroy where nothing comes of it.
 */
export function pipesOver({ pass }: Transport): () => { readonly id: number; readonly ours: Streams } | null {
  let next = 0;
  return () => {
    const pipes = pass ? openPipes("anyone") : null;
    if (!pass || !pipes) return null;
    const id = next;
    next = (next + 1) % 0x8000_0000;
    const passed = pass(id, pipes.theirs);
    pipes.handedOver();
    if (passed) return { id, ours: pipes.ours };
    for (const stream of pipes.ours) stream.destroy();
    return null;
  };
}

/** Takes the channel in which a process was started, whether on a terminal, and its pipes where it has any; gives the process. */
export function processOf(channel: Channel, terminal: boolean, pipes: Streams | null): SandboxProcess {
  const [stdin, stdout, stderr] = pipes
    ? [pipes[0], pipes[1], followedBy(pipes[2], channel.reader(2))]
    : [channel.writer(0), channel.reader(1), channel.reader(2)];
  // A process may close its stdin while the other side still writes; that is its right and no error of ours.
  stdin.on("error", () => {});
  let running = true;
  const exited = new Promise<ProcessExit>((resolve) => {
    channel.hear((said) => {
      const told = v.safeParse(Exit, said);
      if (told.success) resolve(told.output.exit);
    });
    // What is gone with its sandbox was killed; nobody is left to say so.
    void channel.closed.then(() => resolve({ signal: "KILL", coreDumped: false }));
  });
  void exited.then(() => {
    running = false;
    stdin.destroy();
  });
  const tell = (order: Order): void => {
    if (running) channel.say(order);
  };
  return {
    stdin,
    stdinKeepsNothing: pipes !== null,
    stdout,
    stderr: terminal ? null : stderr,
    exited,
    resize: (columns, rows) => tell({ order: "resize", columns, rows }),
    signal: (name) => tell({ order: "signal", name }),
    kill: () => {
      channel.say({ order: "kill" });
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    },
  };
}

/** What a process wrote itself, and behind it what the far end has to say about it: that there is no such program, or no memory. */
function followedBy(written: Readable, said: Readable): Readable {
  const both = new PassThrough();
  written.on("error", () => {});
  written.pipe(both, { end: false });
  written.once("close", () => said.pipe(both));
  both.once("close", () => {
    written.destroy();
    said.destroy();
  });
  return both;
}
