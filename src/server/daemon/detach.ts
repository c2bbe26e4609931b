// A server that outlives its terminal: this program again, in a session of its own, its words in the log file. What it has
// to tell (its addresses, and the owner's token at the first start) comes back through a pipe, so that the token
// touches neither the disk nor a command line.
import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import * as v from "valibot";
import { RuncodeError, EXIT_CODES, type ErrorCode } from "../../protocol/errors.ts";
import type { DataDir } from "./data-dir.ts";
import type { ServerFacts } from "../serve.ts";

/** The descriptor through which a detached server reports; told to it by `--report-fd`. */
const REPORT_FD = 3;

type Report = { readonly facts: ServerFacts } | { readonly error: ReturnType<RuncodeError["toJSON"]> };

const FailureReport = v.object({
  error: v.object({
    error: v.picklist(Object.keys(EXIT_CODES) as ErrorCode[]),
    message: v.string(),
    hint: v.optional(v.string()),
  }),
});

/** In the detached server: says how starting went, once. */
export function report(fd: number, said: Report): void {
  try {
    writeSync(fd, JSON.stringify(said));
    closeSync(fd);
  } catch {
    // Whoever started us is gone; the server serves all the same.
  }
}

/**
 * Starts the server in the background; takes the argv of this program and the words of the server. Resolves when both of its
 * listeners answer, or throws the error that it ended with.
 */
export async function startDetached(
  dir: DataDir,
  self: readonly string[],
  words: readonly string[],
): Promise<ServerFacts> {
  const [program, ...script] = self;
  if (program === undefined) throw new RuncodeError("error", "this program does not know its own name");
  const log = openLog(dir.log);
  const child = spawn(program, [...script, ...words, "--report-fd", String(REPORT_FD)], {
    cwd: dir.root,
    detached: true,
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
  });
  const pipe = child.stdio[REPORT_FD] as Readable;
  let text = "";
  for await (const chunk of pipe) text += String(chunk);
  if (text === "") {
    throw new RuncodeError("error", `the server ended before it answered (${await ended})`, { hint: `see ${dir.log}` });
  }
  const said = JSON.parse(text) as unknown;
  const failure = v.safeParse(FailureReport, said);
  if (failure.success) {
    await ended;
    const { error, message, hint } = failure.output.error;
    throw new RuncodeError(error, message, { hint });
  }
  child.unref();
  return (said as { facts: ServerFacts }).facts;
}

const LOG_LIMIT = 16 * 1024 * 1024;

/** Opened to append, 0600; a long one is put aside first, so that at most two of them are kept. */
function openLog(file: string): number {
  const open = (): number => openSync(file, "a", 0o600);
  const log = open();
  if (fstatSync(log).size < LOG_LIMIT) return log;
  closeSync(log);
  renameSync(file, `${file}.1`);
  return open();
}
