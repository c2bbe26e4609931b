// One remote command through ssh's own client: where there is no master to ride (Windows), and where a terminal is wanted.
import type { Subprocess } from "bun";
import { RuncodeError } from "../protocol/errors.ts";
import type { OutputSink, RemoteExit } from "./channel.ts";
import { endingLine } from "./remote-command.ts";
import type { SshTarget } from "./target.ts";

/** What ssh's client says of every failure of its own, and of a command that a signal ended. */
export const CLIENT_FAILURE = 255;

export interface ClientRun {
  readonly line: string;
  /** The id that is in the line, for ending the command. */
  readonly id: string;
  /** Whether the command gets our own standard input. */
  readonly stdin: boolean;
  readonly output: OutputSink;
  readonly ended: AbortSignal;
  readonly graceMs: number;
}

/** The argv of ssh for a target; ControlMaster=no so that a dead master is never replaced from here. */
export function clientArgv(target: SshTarget, options: readonly string[], line: string): [string, ...string[]] {
  return ["ssh", "-F", target.config, "-o", "ControlMaster=no", ...options, target.alias, line];
}

/**
 * Runs the line over a connection of its own and gives how it ended; `lost` for 255, which may be the command's own as well.
 * When `ended` is aborted, the command is ended by a second connection, and the result is what ssh made of it.
 * Throws RuncodeError `ssh_missing`.
 */
export async function runByClient(target: SshTarget, run: ClientRun): Promise<RemoteExit> {
  const child = spawnClient(clientArgv(target, ["-T"], run.line), run.stdin ? "inherit" : "ignore");
  const end = (): void => void endByClient(target, child, run);
  run.ended.addEventListener("abort", end, { once: true });
  try {
    if (run.ended.aborted) end();
    await Promise.all([carry(child.stdout, "stdout", run.output), carry(child.stderr, "stderr", run.output)]);
    const code = await child.exited;
    return code === CLIENT_FAILURE || child.signalCode !== null ? { kind: "lost" } : { kind: "code", code };
  } finally {
    run.ended.removeEventListener("abort", end);
  }
}

type Client = Subprocess<"ignore" | "inherit", "pipe", "pipe">;

function spawnClient(argv: [string, ...string[]], stdin: "ignore" | "inherit"): Client {
  const file = Bun.which(argv[0]);
  if (file === null) {
    throw new RuncodeError("ssh_missing", "there is no ssh on the PATH", {
      hint: "install the OpenSSH client (Debian: apt install openssh-client)",
    });
  }
  return Bun.spawn([file, ...argv.slice(1)], { stdio: [stdin, "pipe", "pipe"] });
}

async function endByClient(target: SshTarget, child: Client, { id, ended, graceMs }: ClientRun): Promise<void> {
  const interrupted = (ended.reason as { code?: string }).code === "interrupted";
  const deadline = setTimeout(() => child.kill("SIGKILL"), graceMs + graceMs);
  try {
    await spawnClient(clientArgv(target, ["-T"], endingLine(id, interrupted ? "INT" : "TERM")), "ignore").exited;
    if ((await Promise.race([child.exited.then(() => "gone"), Bun.sleep(graceMs)])) === "gone") return;
    await spawnClient(clientArgv(target, ["-T"], endingLine(id, null)), "ignore").exited;
  } finally {
    clearTimeout(deadline);
    child.kill("SIGTERM");
  }
}

async function carry(from: ReadableStream<Uint8Array>, stream: "stdout" | "stderr", output: OutputSink): Promise<void> {
  for await (const bytes of from) await new Promise<void>((done) => output(stream, bytes, done));
}
