// The end in the server: what a Sandbox does that is elsewhere, asked for over one connection.
import type { Duplex, Readable, Writable } from "node:stream";
import * as v from "valibot";
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { ExecRequest, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import { JoinedStreams } from "../joined-streams.ts";
import { Answer, Word, type Order, type Request } from "./messages.ts";
import { Mux, type Channel, type Transport } from "./mux.ts";
import { pipesOver, processOf } from "./process.ts";

type OnConnection = (connection: Duplex, from: { host: string; port: number }) => void;

export interface Remote {
  readonly user: string;
  readonly home: string;
  /** Settles when the connection is gone; its processes have ended by then, or will very soon. Never rejects. */
  readonly closed: Promise<void>;
  exec(request: ExecRequest): Promise<SandboxProcess>;
  sftp(): Promise<SandboxProcess>;
  dial(target: Target): Promise<Duplex>;
  listen(target: Target, onConnection: OnConnection): Promise<SandboxListener>;
  close(): void;
}

/** After this the one who knows is asked why nothing is answered, and again after as long. */
const QUIET_MS = 2_000;
/** For a helper on a busy machine; one behind a connection that nobody serves any more never answers. */
const ANSWER_MS = 60_000;
/** Longer than a kernel tries to connect, about two minutes. */
const DIAL_MS = 180_000;

type WhySilent = () => Promise<RuncodeError | null>;

export interface Patience {
  /** How long a request may stay unanswered, the greeting included; minutes when absent. */
  readonly answerMs?: number | undefined;
  /** The same for one to dial. */
  readonly dialMs?: number | undefined;
  /** Asked when an answer takes long; gives why none will come, or null where waiting is right. */
  readonly whySilent?: WhySilent | undefined;
}

/**
 * Greets the far end. Throws RuncodeError `unavailable` when it ends the connection before it has answered, or says nothing for
 * as long as patience lasts, and what `whySilent` gives.
 */
export async function connectNear(transport: Transport, patience: Patience = {}): Promise<Remote> {
  const { answerMs = ANSWER_MS, dialMs = DIAL_MS, whySilent = async () => await Promise.resolve(null) } = patience;
  const listeners = new Map<number, OnConnection>();
  const { promise: greeted, resolve: greet } = Promise.withResolvers<Extract<Word, { kind: "hello" }>>();
  const mux = new Mux(transport, 0, (said, channel) => {
    const word = v.safeParse(Word, said);
    const listener =
      word.success && word.output.kind === "connection" ? listeners.get(word.output.listener) : undefined;
    if (!word.success) mux.close();
    else if (word.output.kind === "hello") {
      greet(word.output);
      channel.close();
    } else if (!listener) channel.close();
    else listener(connectionOf(channel, channel.writer(1), channel.reader(0)), word.output);
  });
  const hello = await patiently(answerMs, whySilent, Promise.race([greeted, mux.closed])).catch((error: unknown) => {
    mux.close();
    throw error;
  });
  if (!hello) throw new RuncodeError("unavailable", "the helper in the sandbox ended before it answered");

  const ask = async (request: Request): Promise<{ channel: Channel; port: number }> => {
    const channel = mux.open(request);
    return { channel, port: await portOf(channel, answerMs, whySilent) };
  };

  const openPipes = hello.pipes ? pipesOver(transport) : () => null;
  const start = async (request: Extract<Request, { kind: "exec" | "sftp" }>): Promise<SandboxProcess> => {
    const terminal = request.kind === "exec" && request.pty !== undefined;
    const pipes = terminal ? null : openPipes();
    try {
      const { channel } = await ask({ ...request, piped: pipes?.id });
      return processOf(channel, terminal, pipes?.ours ?? null);
    } catch (error) {
      for (const stream of pipes?.ours ?? []) stream.destroy();
      throw error;
    }
  };

  return {
    user: hello.user,
    home: hello.home,
    closed: mux.closed,
    exec: async (request) => {
      const { command, pty, env, cwd } = request;
      const copy = typeof command === "string" || command === null ? command : [...command];
      return await start({ kind: "exec", command: copy, pty, env: env && { ...env }, cwd });
    },
    sftp: async () => await start({ kind: "sftp" }),
    dial: async (target) => {
      // How long a connection may take to come about is the kernel's to say over there.
      const channel = mux.open({ kind: "dial", target } satisfies Request);
      await portOf(channel, dialMs, whySilent);
      return connectionOf(channel, channel.writer(0), channel.reader(1));
    },
    listen: async (target, onConnection) => {
      // The far end may tell of a connection in the very packet that says it listens.
      const early: Parameters<OnConnection>[] = [];
      const channel = mux.open({ kind: "listen", target } satisfies Request);
      listeners.set(channel.id, (...connection) => void early.push(connection));
      void channel.closed.then(() => listeners.delete(channel.id));
      const port = await portOf(channel, answerMs, whySilent);
      listeners.set(channel.id, onConnection);
      for (const connection of early) onConnection(...connection);
      return {
        port,
        close: async () => {
          channel.say({ order: "end" } satisfies Order);
          await within(answerMs, channel.closed);
          channel.close();
        },
      };
    },
    close: () => mux.close(),
  };
}

const silent = (): RuncodeError =>
  new RuncodeError("unavailable", "the helper in the sandbox does not answer", { hint: "try again" });

/** Gives null where `promise` takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ms);
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

/** Gives what `promise` does. Throws RuncodeError `unavailable` where it takes longer than `ms`, and why it never will when that is known. */
async function patiently<T>(ms: number, whySilent: WhySilent, promise: Promise<T>): Promise<T> {
  const settled = promise.then((value) => ({ value }));
  const until = systemClock.now() + ms;
  for (let left = ms; left > 0; left = until - systemClock.now()) {
    const found = await within(Math.min(left, QUIET_MS), settled);
    if (found) return found.value;
    const asked = Promise.race([settled.then(() => null), whySilent().catch(() => null)]);
    const why = left > QUIET_MS ? await within(left - QUIET_MS, asked) : null;
    if (why) throw why;
  }
  throw silent();
}

/** Takes a channel in which something was asked for; gives the answer's port, or throws the answer's error. */
async function portOf(channel: Channel, answerMs: number, whySilent: WhySilent): Promise<number> {
  const said = await patiently(answerMs, whySilent, channel.answer()).catch((error: unknown) => {
    channel.close();
    throw error;
  });
  if (said === null)
    throw new RuncodeError("unavailable", "the connection to the sandbox is gone", { hint: "try again" });
  const answer = v.safeParse(Answer, said);
  if (answer.success && "ready" in answer.output) return answer.output.port;
  channel.close();
  if (!answer.success || !("failed" in answer.output))
    throw new RuncodeError("error", "the helper in the sandbox answered with nonsense");
  const { failed, message, hint } = answer.output;
  throw new RuncodeError(failed, message, { hint });
}

function connectionOf(channel: Channel, stdin: Writable, stdout: Readable): Duplex {
  // Where both directions have ended the far end closes, once it has handed on what it was sent.
  const kill = (): void => {
    if (!stdin.writableFinished || !stdout.readableEnded) channel.close();
  };
  // Nothing is said in it but what it carries.
  channel.hear(() => {});
  return new JoinedStreams({ stdin, stdout, kill });
}
