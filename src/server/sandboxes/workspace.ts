// A workspace: a driver's sandbox with what its owner gave it, an environment for every process and a command that runs from
// its start. Both are done with what every sandbox can do, so that they are the same under every driver.
import { systemClock } from "../../platform/clock.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { printableLines } from "../../protocol/text.ts";
import type { Driver, Ending, ProcessExit, Sandbox, SandboxProcess, SandboxSpec, StartOptions } from "./driver.ts";

/** A command that lives this long has started; one that ends sooner is a start that failed. */
const STARTED_MS = 1000;
/** How long a command may take to end once it was asked to, as Docker has it. */
const COMMAND_GRACE_MS = 10_000;
/** For the last of its output, and for a sandbox that ended with its command to say why. */
const LAST_WORDS_MS = 1000;
/** Between two tries to end a sandbox whose engine does not answer. */
const AGAIN_MS = 2000;
const KEPT_BYTES = 8192;
const TOLD_LINES = 5;
const TOLD_LENGTH = 300;
/** Anything shorter stands in other words as well. */
const SECRET_LENGTH = 6;

/** A workspace whose command ended before the workspace had started. `output` is for its owner, and not for the server's log. */
export class CommandEnded extends RuncodeError {
  readonly output: string | undefined;

  constructor({ reason, output }: Ending) {
    super("start_failed", reason);
    this.output = output;
  }
}

export interface WorkspaceStart extends StartOptions {
  /** Lets its owner in to what the command fails for. */
  readonly withoutCommand?: boolean;
}

/**
 * Starts a workspace. Its command runs in the project directory (the home where there is none), with nothing to read; when it
 * ends, so does the sandbox.
 * Throws what `Driver.start` throws, and CommandEnded; nothing is left running then, but for a sandbox whose engine does not
 * answer, which is ended as soon as it does.
 */
export async function startWorkspace(
  driver: Driver,
  spec: SandboxSpec,
  options: WorkspaceStart = {},
): Promise<Sandbox> {
  const { environment = {} } = spec;
  const command = options.withoutCommand ? undefined : spec.command;
  const bare = await driver.start(spec, options);
  if (command === undefined && Object.keys(environment).length === 0) return bare;
  const sandbox = withEnvironment(bare, environment);
  if (command === undefined) return sandbox;
  let led: Sandbox;
  let over: unknown;
  try {
    const process = await sandbox.exec({ command, cwd: sandbox.workdir }).catch((error: unknown) => {
      // What its owner did to the project directory must not keep the workspace from starting.
      if (!(error instanceof RuncodeError) || error.code !== "not_found") throw error;
      return sandbox.exec({ command });
    });
    led = ledBy(sandbox, new Command(process, Object.values(environment)));
    over = await Promise.race([process.exited, bare.ended, systemClock.sleep(STARTED_MS, options.signal)]);
  } catch (error) {
    await bare.stop({ graceMs: 0 }).catch(() => {});
    throw error;
  }
  if (!over) return led;
  // Whoever calls it off need not wait for an engine that is away: what is left is ended once that is back.
  const ending = await unlessAborted(led.ended, options.signal);
  await bare.stop({ graceMs: 0 }).catch(() => {});
  throw new CommandEnded(ending);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal?.reason as Error);
  signal?.addEventListener("abort", onAbort, { once: true });
  return await Promise.race([work, aborted.promise]).finally(() => signal?.removeEventListener("abort", onAbort));
}

function withEnvironment(sandbox: Sandbox, environment: Readonly<Record<string, string>>): Sandbox {
  return {
    home: sandbox.home,
    workdir: sandbox.workdir,
    user: sandbox.user,
    ended: sandbox.ended,
    exec: async (request) => await sandbox.exec({ ...request, env: { ...environment, ...request.env } }),
    sftp: async () => await sandbox.sftp(),
    dial: async (target) => await sandbox.dial(target),
    listen: async (target, onConnection) => await sandbox.listen(target, onConnection),
    pause: async () => await sandbox.pause(),
    resume: async () => await sandbox.resume(),
    stop: async (options) => await sandbox.stop(options),
  };
}

/** Gives the sandbox, which now ends when the command does. */
function ledBy(sandbox: Sandbox, command: Command): Sandbox {
  let stopping = false;
  const ended = (async (): Promise<Ending> => {
    const first = await Promise.race([sandbox.ended, command.exited]);
    if (stopping || "reason" in first) return await sandbox.ended;
    // It may have ended because the sandbox did, and what ended that is the better reason.
    const cause = await within(LAST_WORDS_MS, "signal" in first ? sandbox.ended : command.silent);
    for (;;) {
      try {
        await sandbox.stop({ graceMs: 0 });
        break;
      } catch {
        // Until the engine answers again nobody can say that the sandbox is gone.
        await Promise.race([sandbox.ended, systemClock.sleep(AGAIN_MS)]);
      }
    }
    if (stopping) return await sandbox.ended;
    const output = command.lastWords();
    const reason = cause ? cause.reason : `its command ${endOf(first)}`;
    return output === "" ? { reason } : { reason, output };
  })();
  return {
    ...sandbox,
    ended,
    stop: async ({ graceMs = COMMAND_GRACE_MS } = {}) => {
      stopping = true;
      await sandbox.stop({ graceMs });
      await ended;
    },
  };
}

/** A workspace's command: reads nothing, and its last words are kept. */
class Command {
  readonly exited: Promise<ProcessExit>;
  /** Settles when it and all that it started have closed its outputs. */
  readonly silent: Promise<undefined>;
  readonly #secrets: readonly string[];
  #kept = Buffer.alloc(0);

  constructor({ stdin, stdout, stderr, exited }: SandboxProcess, secrets: readonly string[]) {
    this.exited = exited;
    this.#secrets = secrets.filter((value) => value.length >= SECRET_LENGTH);
    stdin.on("error", () => {}).end();
    const outputs = stderr ? [stdout, stderr] : [stdout];
    const closed = outputs.map(
      (output) =>
        new Promise<void>((resolve) => {
          output.on("data", (bytes: Buffer) => this.#keep(bytes));
          output.on("error", () => {}).once("close", resolve);
        }),
    );
    this.silent = Promise.all(closed).then(() => undefined);
  }

  /** The end of what it wrote, on one line; what it wrote of its environment's values is left out. */
  lastWords(): string {
    let words = this.#kept.toString();
    for (const secret of this.#secrets) words = words.replaceAll(secret, "***");
    const lines = printableLines(words)
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    return lines.slice(-TOLD_LINES).join(" | ").slice(-TOLD_LENGTH);
  }

  #keep(bytes: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, bytes]).subarray(-KEPT_BYTES);
  }
}

function endOf(exit: ProcessExit): string {
  if ("signal" in exit) return `was ended by signal ${exit.signal}`;
  // What shells say by these two, and the helper where there is no shell.
  const meaning = exit.code === 127 ? ", not found" : exit.code === 126 ? ", cannot be run" : "";
  return `ended with exit code ${exit.code}${meaning}`;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const late = new AbortController();
  const sleep = systemClock.sleep(ms, late.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([work, sleep]);
  } finally {
    late.abort();
  }
}
