// One process on one channel: its streams, and how its end is told.
import type { ProcessExit, SandboxProcess } from "../sandboxes/driver.ts";
import { carry, feed } from "./channel.ts";
import type { Channel } from "./channel.ts";

/** The signals that RFC 4254 §6.10 has names for; others are told as a code, as a shell would. */
const SIGNALS = new Set("ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2".split(" "));

/**
 * How long a stream may stay silent, and in all, once the process ended while something it started holds the stream open:
 * in steps of `STEP_MS`, and only while the client keeps up. See docs/decisions/010-a-command-ends-with-its-process.md.
 */
const STEP_MS = 50;
const QUIET_STEPS = 4;
const MOST_STEPS = 40;

export interface Run {
  /** Settles when the channel is closed and the process gone. */
  readonly finished: Promise<void>;
  /** The client is gone: hangs up, and ends what is left after the grace. */
  hangup(): void;
  /** Ends it for certain; the exit is still told while the channel is open. */
  kill(): void;
}

export interface RunOptions {
  readonly pty: boolean;
  readonly hangupGraceMs: number;
}

/** Connects a process to a channel until both are done. */
export function run(process: SandboxProcess, channel: Channel, options: RunOptions): Run {
  const outputs = [carry(process.stdout, channel, "stdout")];
  if (process.stderr !== null) outputs.push(carry(process.stderr, channel, "stderr"));

  // A process that stops reading must not keep the client from being heard: what comes after is dropped, as sshd does.
  const drop = feed(channel, process.stdin, process.stdinKeepsNothing ?? false);
  process.stdin.on("error", drop).once("close", drop);

  let exited = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  void process.exited.then(() => {
    exited = true;
    clearTimeout(timer);
  });
  const hangup = (): void => {
    if (exited || timer !== undefined) return;
    process.signal("HUP");
    timer = setTimeout(() => process.kill(), options.hangupGraceMs);
  };
  channel.onClose(() => {
    hangup();
    // What is just being started is not there yet to hear the signal; what it reads must end all the same, as under sshd.
    if (!options.pty) process.stdin.end();
  });

  const finish = async (): Promise<void> => {
    const exit = await process.exited;
    const streams = Promise.all(outputs.map((output) => output.done)).then(() => "ended" as const);
    const how = await Promise.race([
      streams,
      silence(channel, () => outputs.reduce((sum, out) => sum + out.bytes(), 0)),
    ]);
    drop();
    if (how === "silent") for (const output of outputs) output.stop();
    tell(exit, channel);
    channel.eof();
    channel.close();
    // With a terminal, all that is left of the session goes with it; without, what was put in the background lives on.
    if (options.pty) process.kill();
  };
  return { finished: finish(), hangup, kill: () => process.kill() };
}

/** Settles when the streams of a process that ended have had their time. */
async function silence(channel: Channel, bytes: () => number): Promise<"silent"> {
  let seen = -1;
  let quiet = 0;
  for (let step = 0; step < MOST_STEPS && quiet < QUIET_STEPS;) {
    await Bun.sleep(STEP_MS);
    if (channel.closed) break;
    // A slow client is not silence: what is written must reach it.
    if (channel.blocked) continue;
    step += 1;
    quiet = bytes() === seen ? quiet + 1 : 0;
    seen = bytes();
  }
  return "silent";
}

function tell(exit: ProcessExit, channel: Channel): void {
  if ("code" in exit) channel.exitStatus(exit.code);
  else if (SIGNALS.has(exit.signal)) channel.exitSignal(exit.signal, exit.coreDumped);
  else channel.exitStatus(128);
}
