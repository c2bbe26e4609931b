// One command, held until it ends or the call may not be held any longer.
import * as v from "valibot";
import type { Command } from "../../bundle/command.ts";
import { detach } from "../../bundle/jobs.ts";
import type { Session } from "../../bundle/session.ts";
import { systemClock } from "../../platform/clock.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import { quoteArgv, quoteWord } from "../../ssh/quote.ts";
import { checkedEnv } from "../../ssh/remote-command.ts";
import type { Ended, Running } from "../commands.ts";
import { flag, onWorkspace, text, within, words, workspace } from "../fields.ts";
import { Failure } from "../results.ts";
import { told } from "../written.ts";
import { defineTool, type Answer, type Call } from "../tool.ts";

const stream = (what: string) =>
  text(`${what}, as UTF-8; the middle is left out where it is too long, and a line says so`);
const bytes = (what: string) => v.pipe(v.number(), v.description(`how many bytes ${what} was`));

const input = v.strictObject({
  command: v.union(
    [
      v.pipe(words("a shell line, for the account's own shell"), v.title("shell line")),
      v.pipe(v.array(v.string()), v.minLength(1), v.description("a program and its arguments, which no shell reads")),
    ],
    "expected a shell line or a list of words",
  ),
  cwd: v.exactOptional(words("the directory to run in: absolute, ~/…, or from the project directory")),
  env: v.exactOptional(
    v.pipe(
      v.record(
        v.pipe(
          v.string(),
          v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected letters, digits and underscores, no digit first"),
        ),
        v.string(),
      ),
      v.description("variables for the command"),
    ),
  ),
  stdin: v.exactOptional(text("what it reads on standard input; without it end-of-file")),
  timeout_ms: v.exactOptional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.description("end the command after this long; without it never")),
  ),
  yield_after_ms: within(
    0,
    3_600_000,
    50_000,
    "return after this long although it still runs, with a job_id to ask for it; the command goes on",
  ),
  max_output_bytes: within(256, 256 * 1024, 30_000, "how much of each stream to give back: its beginning and its end"),
  background: flag(
    "start it as a job of the workspace and return at once: it outlives this server and a lost connection",
  ),
  workspace,
});

const output = v.object({
  ...onWorkspace,
  status: v.pipe(v.picklist(["exited", "running"]), v.description("running: ask for it with job_status and job_logs")),
  job_id: v.exactOptional(text("of one that still runs")),
  exit_code: v.exactOptional(v.pipe(v.number(), v.description("128+n where signal n ended it"))),
  signal: v.exactOptional(text("what ended it, without SIG: TERM")),
  stdout: stream("what it wrote"),
  stderr: stream("the same of its standard error"),
  stdout_bytes: bytes("stdout"),
  stderr_bytes: bytes("stderr"),
  truncated: v.pipe(
    v.boolean(),
    v.description("whether the middle of a stream is left out; run it into a file, or filter, to see all"),
  ),
  duration_ms: v.number(),
});

export default defineTool({
  name: "exec",
  title: "Run a command",
  description: `Runs a command on the workspace, in the project directory, and gives its output and exit code; a command that fails is no failure \
of the tool. It is sent once and never again. One that takes longer than yield_after_ms goes on and is asked for with job_status and job_logs; \
what is known to take long (a server, a build) is better started with background. Cancelling the call ends the command. \
There is no terminal: nothing can be typed into it later.`,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  input,
  output,
  async run(args, call) {
    const env = checkedEnv(Object.entries(args.env ?? {}).map(([name, value]) => `${name}=${value}`));
    const session = await call.session(args.workspace);
    const command: Command = {
      words: typeof args.command === "string" ? [args.command] : asWords(args.command),
      directory: args.cwd ?? session.workdir,
      base: session.workdir,
      env,
      timeoutMs: args.timeout_ms,
    };
    // Without a master ssh reads the standard input of this program, which is the client's.
    if (args.stdin !== undefined && session.controlPath === null)
      throw new RuncodeError("usage", "on Windows a command gets no standard input from a tool", {
        hint: "write it into a file, and let the command read that",
      });
    const stdin = args.stdin === undefined ? null : once(args.stdin);
    if (args.background) {
      return started(session, await detach(call, session, command, stdin));
    }
    const shown = printable(typeof args.command === "string" ? args.command : quoteArgv(args.command)).slice(0, 200);
    const running = call.commands.begin({
      sessions: await call.sessions(),
      session,
      command,
      stdin,
      shown,
      hurry: call.hurry,
      onOutput: (line) => call.report(line),
    });
    const ended = await held(running, args.yield_after_ms, call);
    const most = args.max_output_bytes;
    return ended === null ? goesOn(running, call.commands.keep(running), most) : exited(running, ended, most);
  },
});

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** A list of one word would be a shell line to the line that is sent. */
function asWords(command: readonly string[]): readonly string[] {
  return command.length === 1 ? [`exec ${quoteWord(command[0] ?? "")}`] : command;
}

/** How it ended, or null where it may not be held any longer. A call that is cancelled ends it. */
async function held(running: Running, most: number, { signal }: Call): Promise<Ended | null> {
  const stop = (): void => running.stop(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const timer = Promise.withResolvers<null>();
  const timeout = setTimeout(() => timer.resolve(null), most);
  try {
    const ended = await Promise.race([running.end, timer.promise]);
    return ended === null && signal.aborted ? await running.end : ended;
  } finally {
    clearTimeout(timeout);
    signal.removeEventListener("abort", stop);
  }
}

function written(running: Running, most: number) {
  const [stdout, stderr] = [running.stdout.text(most), running.stderr.text(most)];
  return {
    stdout: stdout.text,
    stderr: stderr.text,
    stdout_bytes: running.stdout.total,
    stderr_bytes: running.stderr.total,
    truncated: stdout.truncated || stderr.truncated,
  };
}

function exited(running: Running, ended: Ended, most: number): Answer<v.InferOutput<typeof output>> {
  const out = written(running, most);
  const duration = ended.at - running.begun;
  if ("error" in ended) throw new Failure(ended.error, told(out, ""));
  const { exit, code } = ended;
  const signal = exit.kind === "signal" ? { signal: exit.signal } : {};
  const how = exit.kind === "signal" ? `ended by SIG${exit.signal}` : `exit code ${code}`;
  return {
    structured: {
      workspace: running.session.title,
      status: "exited",
      exit_code: code,
      ...signal,
      ...out,
      duration_ms: duration,
    },
    text: told(out, `[${how}, ${(duration / 1000).toFixed(1)} s, on ${running.session.title}]`),
  };
}

function goesOn(running: Running, id: string, most: number): Answer<v.InferOutput<typeof output>> {
  const out = written(running, most);
  return {
    structured: {
      workspace: running.session.title,
      status: "running",
      job_id: id,
      ...out,
      duration_ms: systemClock.now() - running.begun,
    },
    text: told(
      out,
      `[still running on ${running.session.title} as ${id}: job_logs shows what comes, job_kill ends it]`,
    ),
  };
}

function started({ title }: Session, id: string): Answer<v.InferOutput<typeof output>> {
  const nothing = { stdout: "", stderr: "", stdout_bytes: 0, stderr_bytes: 0, truncated: false };
  return {
    structured: { workspace: title, status: "running", job_id: id, ...nothing, duration_ms: 0 },
    text: `[started on ${title} as ${id}: job_status and job_logs with wait_ms tell what becomes of it]`,
  };
}
