// A script of ours on a session: run to its end with nothing on stdin, its output kept up to a bound.
import { exitCodeOf, type RunRequest } from "../ssh/run.ts";
import { Capture, runOn } from "./command.ts";
import type { Session, Sessions } from "./session.ts";

export interface Script {
  /** POSIX sh. */
  readonly script: string;
  /** $1 and on. */
  readonly parameters?: readonly string[];
  /** What is kept of stdout, in bytes; the rest is read and dropped. */
  readonly most: number;
  readonly timeoutMs?: number;
  readonly stop: RunRequest["stop"];
}

export interface Said {
  readonly stdout: Buffer;
  readonly truncated: boolean;
  /** The first 16 KiB. */
  readonly stderr: string;
  readonly code: number;
}

const KEPT_STDERR = 16 * 1024;

/** Runs it in the session's project directory. Throws what `runOn` throws. */
export async function runScript(sessions: Sessions, session: Session, script: Script): Promise<Said> {
  const stdout = new Capture(script.most);
  const stderr = new Capture(KEPT_STDERR);
  const exit = await runOn(sessions, session, {
    words: ["sh", "-c", script.script, "sh", ...(script.parameters ?? [])],
    directory: session.workdir,
    base: session.workdir,
    stdin: null,
    stop: script.stop,
    timeoutMs: script.timeoutMs,
    output(stream, bytes, done) {
      (stream === "stdout" ? stdout : stderr).add(bytes);
      done();
    },
  });
  return { stdout: stdout.bytes(), truncated: stdout.truncated, stderr: stderr.text(), code: exitCodeOf(exit) };
}
