// The end in the sandbox: does what is asked of it with a Sandbox that is where it is, and tells how it went.
import { once } from "node:events";
import type { Duplex } from "node:stream";
import * as v from "valibot";
import { closeSync } from "node:fs";
import type { ExecRequest, Sandbox, SandboxProcess } from "../driver.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Descriptors } from "../launch.ts";
import { failureOf, Order, Request, type Answer, type Exit, type Word } from "./messages.ts";
import { Mux, type Channel, type Transport } from "./mux.ts";

/** A process that is given descriptors has its standard streams there, and none in what it gives but what is said about it. */
export interface Here extends Pick<Sandbox, "dial" | "listen" | "home" | "user"> {
  exec(request: ExecRequest, streams?: Descriptors): Promise<SandboxProcess>;
  sftp(streams?: Descriptors): Promise<SandboxProcess>;
}

/** Serves until the connection ends, or `over` settles; then every process that was started over it is ended. */
export async function serveFar(here: Here, transport: Transport, over = new Promise<void>(() => {})): Promise<void> {
  const running = new Set<SandboxProcess>();
  const mux = new Mux(transport, 1, (request, channel) => void answer(request, channel));
  const pipes = transport.take !== undefined;
  mux.open({ kind: "hello", version: 1, user: here.user, home: here.home, pipes } satisfies Word);
  await Promise.race([mux.closed, over]);
  mux.close();
  for (const process of running) process.kill();
  await Promise.all([...running].map(async ({ exited }) => await exited));

  async function answer(said: unknown, channel: Channel): Promise<void> {
    const say = (answer: Answer): void => channel.say(answer);
    try {
      const request = v.parse(Request, said);
      if (request.kind === "exec" || request.kind === "sftp") carry(await start(request), channel);
      else if (request.kind === "dial") {
        const connection = await here.dial(request.target);
        say({ ready: true });
        join(connection, channel, 0, 1);
      } else await listen(request.target, channel);
    } catch (error) {
      say(failureOf(error));
      channel.close();
    }
  }

  async function start(request: Extract<Request, { kind: "exec" | "sftp" }>): Promise<SandboxProcess> {
    const streams = request.piped === undefined ? undefined : transport.take?.(request.piped);
    if (streams === null)
      throw new RuncodeError("io", "the streams of a process did not arrive", { hint: "try again" });
    try {
      return await (request.kind === "exec" ? here.exec(definite(request), streams) : here.sftp(streams));
    } finally {
      // The process has its own, or there is none: while they are open here as well, nobody would see their end.
      for (const descriptor of streams ?? []) closeSync(descriptor);
    }
  }

  function carry(process: SandboxProcess, channel: Channel): void {
    running.add(process);
    const outputs = [process.stdout, ...(process.stderr ? [process.stderr] : [])];
    channel.say({ ready: true } satisfies Answer);
    channel.hear((said) => {
      const order = v.safeParse(Order, said);
      if (!order.success) return;
      if (order.output.order === "resize") process.resize(order.output.columns, order.output.rows);
      else if (order.output.order === "signal") process.signal(order.output.name);
      else if (order.output.order === "kill") process.kill();
    });
    channel.reader(0).pipe(process.stdin);
    // A program that takes no more: what is still sent to it must not fill the window and wait for ever.
    process.stdin.once("close", () => channel.reader(0).unpipe(process.stdin).resume());
    outputs.forEach((output, at) => {
      const writer = channel.writer(at + 1);
      output.pipe(writer);
      // Closing the pipe is how a program learns, by SIGPIPE, that its reader has left.
      writer.once("close", () => output.destroy());
      output.once("close", () => writer.end());
    });
    void channel.closed.then(() => process.kill());
    const exited = process.exited.then((exit) => {
      running.delete(process);
      channel.say({ exit } satisfies Exit);
    });
    void Promise.all([exited, ...outputs.map(async (output) => await closed(output))]).then(() => channel.finish());
  }

  async function listen(target: Extract<Request, { kind: "listen" }>["target"], channel: Channel): Promise<void> {
    const listener = await here.listen(target, (connection, from) => {
      const word: Word = { kind: "connection", listener: channel.id, host: from.host, port: from.port };
      join(connection, mux.open(word), 1, 0);
    });
    channel.say({ ready: true, port: listener.port } satisfies Answer);
    channel.hear((said) => {
      if (v.is(Order, said) && said.order === "end") void listener.close().then(() => channel.close());
    });
    void channel.closed.then(async () => await listener.close());
  }
}

/** Joins a connection with two streams of a channel; each direction ends by itself. */
function join(connection: Duplex, channel: Channel, inward: number, outward: number): void {
  connection.on("error", () => {});
  channel.reader(inward).pipe(connection);
  connection.pipe(channel.writer(outward));
  connection.once("close", () => {
    channel.writer(outward).end();
    void channel.finish();
  });
  void channel.closed.then(() => connection.destroy());
}

async function closed(stream: { readonly closed: boolean } & NodeJS.EventEmitter): Promise<void> {
  if (!stream.closed) await once(stream, "close");
}

/** Optional members that are there and undefined are not the same as missing ones to those who take a request. */
function definite({ command, pty, env, cwd }: Extract<Request, { kind: "exec" }>): Parameters<Here["exec"]>[0] {
  return { command, ...(pty ? { pty } : {}), ...(env ? { env } : {}), ...(cwd === undefined ? {} : { cwd }) };
}
