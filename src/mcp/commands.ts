// The commands of `exec`: each runs on a channel of this server, and one that takes longer than its call may be held goes on under an id
// and is asked for by the tools of jobs. They end with this server; what shall outlive it is a job of the workspace.
import { runOn, type Command } from "../bundle/command.ts";
import type { Session, Sessions } from "../bundle/session.ts";
import { systemClock } from "../platform/clock.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { newJobId } from "../ssh/jobs/index.ts";
import { exitCodeOf, type CommandExit, type RunRequest } from "../ssh/run.ts";
import { StreamLog } from "./stream-log.ts";

export type Ended =
  | { readonly exit: CommandExit; readonly code: number; readonly at: number }
  | { readonly error: unknown; readonly at: number };

export interface Running {
  readonly stdout: StreamLog;
  readonly stderr: StreamLog;
  readonly session: Session;
  readonly command: Command;
  /** As it was asked for, for a person. */
  readonly shown: string;
  readonly begun: number;
  /** How it ended, once it has. */
  ended: Ended | null;
  /** Resolves then; never rejects. */
  readonly end: Promise<Ended>;
  /** Resolves when something more was written, or it ended. */
  more(): Promise<void>;
  stop(reason: unknown): void;
}

export interface Begin {
  readonly sessions: Sessions;
  readonly session: Session;
  readonly command: Command;
  readonly stdin: RunRequest["stdin"];
  readonly shown: string;
  readonly hurry: AbortSignal;
  readonly onOutput: (line: string) => void;
}

/** Commands that have ended and are still remembered. */
const REMEMBERED = 16;

export class Commands {
  readonly #kept = new Map<string, Running>();
  readonly #all = new Set<Running>();

  begin({ sessions, session, command, stdin, shown, hurry, onOutput }: Begin): Running {
    const stop = new AbortController();
    const logs = { stdout: new StreamLog(), stderr: new StreamLog() };
    let wake = Promise.withResolvers<void>();
    const tell = (): void => {
      wake.resolve();
      wake = Promise.withResolvers();
    };
    const run = runOn(sessions, session, {
      ...command,
      stdin,
      stop: { signal: stop.signal, hurry },
      output(stream, bytes, done) {
        logs[stream].add(bytes);
        onOutput(lastLine(bytes));
        tell();
        done();
      },
    });
    const running: Running = {
      ...logs,
      session,
      command,
      shown,
      begun: systemClock.now(),
      ended: null,
      end: run
        .then(
          (exit): Ended => ({ exit, code: exitCodeOf(exit), at: systemClock.now() }),
          (error: unknown): Ended => ({ error, at: systemClock.now() }),
        )
        .then((ended) => {
          running.ended = ended;
          this.#all.delete(running);
          tell();
          return ended;
        }),
      more: () => wake.promise,
      stop: (reason) => stop.abort(reason),
    };
    this.#all.add(running);
    return running;
  }

  /** Gives it an id, under which it is found from now on. It is one of a job's kind, so that nobody has to tell them apart. */
  keep(running: Running): string {
    const id = newJobId();
    this.#kept.set(id, running);
    const over = [...this.#kept].filter(([, each]) => each.ended !== null).slice(0, -REMEMBERED);
    for (const [old] of over) this.#kept.delete(old);
    return id;
  }

  /** Null where it is none of this server's. */
  find(id: string): Running | null {
    return this.#kept.get(id) ?? null;
  }

  kept(): readonly (readonly [id: string, running: Running])[] {
    return [...this.#kept];
  }

  /** Ends all of them, and resolves when they have ended. */
  async close(): Promise<void> {
    const going = [...this.#all];
    for (const each of going) each.stop(new RuncodeError("terminated", "the server ends"));
    await Promise.all(going.map(({ end }) => end));
  }
}

function lastLine(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(-400).toString("utf8");
  return (
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? ""
  );
}
