// Runs the built program as a person or an agent would: the binary, its words, its environment, its exit code.
import { execa } from "execa";
import path from "node:path";
import { checkDocuments } from "./documents.ts";

export const ROOT = path.resolve(import.meta.dirname, "../..");
/** The program under test; RUNCODE_BINARY names another build of it. */
export const BINARY = process.env["RUNCODE_BINARY"] ?? path.join(ROOT, "dist", "runcode");

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as the one JSON document that `--json` promises; throws when it is not exactly that. */
  json<T = Record<string, unknown>>(): T;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What is piped in; without it stdin is the null device. */
  readonly stdin?: string | Uint8Array;
  readonly timeoutMs?: number;
}

/** Takes the words after `runcode`; gives what came of them, and throws where --json was given and not kept to. A program that hangs is ended and told by exit code 124. */
export async function runProgram(
  words: readonly string[],
  { env = {}, cwd, stdin, timeoutMs = 120_000 }: RunOptions = {},
): Promise<Ran> {
  const result = await execa(BINARY, words, {
    env: env as Record<string, string>,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    ...(cwd === undefined ? {} : { cwd }),
    ...(stdin === undefined ? { stdin: "ignore" as const } : { input: stdin }),
  });
  const stdout = result.stdout;
  const exitCode = result.timedOut ? 124 : (result.exitCode ?? -1);
  // Whoever was killed promised nothing.
  if (!result.timedOut && result.signal === undefined) checkDocuments(words, { stdout, exitCode });
  return {
    exitCode,
    stdout,
    stderr: result.stderr,
    json<T>() {
      const lines = stdout.split("\n");
      if (lines.length !== 2 || lines[1] !== "")
        throw new Error(`not one JSON document on a line:\n${stdout}\n${result.stderr}`);
      return JSON.parse(lines[0] as string) as T;
    },
  };
}
