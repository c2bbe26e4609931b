// A session channel (RFC 4254 §6): what the client asks for before it starts something, then the one thing it starts.
import type { Session } from "ssh2";
import type { Capability } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { notRunLine } from "../../protocol/not-run.ts";
import { scriptBeforeOwnShell } from "../../protocol/shell-line.ts";
import type { PtyRequest, Sandbox, SandboxProcess } from "../sandboxes/driver.ts";
import { Channel } from "./channel.ts";
import { admit } from "./environment.ts";
import { line, refuse, words } from "./refusal.ts";
import { run } from "./run.ts";
import type { Run } from "./run.ts";
import type { Link, RawChannel } from "./ssh2.ts";

/** What a session needs of the connection it is on. */
export interface SessionHost {
  readonly link: Link;
  readonly hangupGraceMs: number;
  may(capability: Capability): boolean;
  /** Why nothing starts any more, for the person; null while all is well. */
  over(): string | null;
  sandbox(): Promise<Sandbox>;
  /** The path of the agent's socket inside the sandbox. */
  agentSocket(): Promise<string>;
  adopt(channel: Channel, kind: string): void;
  failed(what: string, error: unknown): void;
}

/** What the connection can do with a session that is open. */
export interface OpenSession {
  readonly channel: Channel;
  /** A line from the gateway to the person. */
  say(text: string): void;
  readonly pty: boolean;
  kill(): void;
  readonly finished: Promise<void>;
}

type Start = (sandbox: Sandbox, env: Record<string, string>) => Promise<SandboxProcess>;

/** The most a terminal can be; beyond it a size is a mistake or an attack. */
const size = (value: number, fallback: number): number => (value > 0 ? Math.min(value, 32767) : fallback);

/** Serves one session; `opened` is called when it starts something. */
export function serveSession(session: Session, host: SessionHost, opened: (open: OpenSession) => void): void {
  const env: Record<string, string> = {};
  let pty: PtyRequest | undefined;
  let agent = false;
  /** What came for the process before there was one. */
  let early: ((process: SandboxProcess) => void)[] = [];
  let process: SandboxProcess | undefined;
  const tell = (what: (process: SandboxProcess) => void): void => {
    if (process !== undefined) what(process);
    else if (early.length < 64) early.push(what);
  };

  session.on("env", (accept, reject, info) => {
    // The types name the fields otherwise than ssh2 gives them.
    const { key, val } = info as unknown as { key: string; val: string };
    if (admit(env, key, val)) (accept as (() => void) | undefined)?.();
    else (reject as (() => void) | undefined)?.();
  });
  session.on("pty", (accept, _reject, info) => {
    // The terminal modes are the far terminal's business: the sandbox's pty starts in its own sane state.
    const term = /^[\w.+-]{1,64}$/.test((info as { term?: string }).term ?? "")
      ? (info as unknown as { term: string }).term
      : "xterm";
    pty = { term, columns: size(info.cols, 80), rows: size(info.rows, 24) };
    (accept as (() => void) | undefined)?.();
  });
  session.on("window-change", (accept, _reject, info) => {
    const columns = size(info.cols, 80);
    const rows = size(info.rows, 24);
    if (pty !== undefined && process === undefined) pty = { ...pty, columns, rows };
    tell((running) => running.resize(columns, rows));
    (accept as (() => void) | undefined)?.();
  });
  session.on("signal", (accept, _reject, info) => {
    const name = info.name.replace(/^SIG/, "");
    tell((running) => running.signal(name));
    (accept as (() => void) | undefined)?.();
  });
  session.on("auth-agent", (accept, reject) => {
    agent = host.may("agent-forward");
    if (agent) (accept as (() => void) | undefined)?.();
    else (reject as (() => void) | undefined)?.();
  });

  // A channel is accepted at once, before the sandbox is asked for: ssh2 drops what the client sends before that, and
  // clients do not wait for the answer. What goes wrong is told on the channel's stderr.
  const start = (
    raw: RawChannel,
    capability: Capability,
    kind: string,
    begin: Start,
    withPty: boolean,
    command = "",
  ): void => {
    const channel = new Channel(raw, host.link);
    host.adopt(channel, kind);
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    let current: Run | undefined;
    opened({
      channel,
      pty: withPty,
      finished,
      say: (text) => line(channel, text, withPty),
      kill: () => (current === undefined ? channel.close() : current.kill()),
    });
    // A channel may have been opened while the key stood, and ask for its command only now.
    const over = host.over();
    if (over !== null) {
      refuse(channel, over, withPty);
      return resolve();
    }
    if (!host.may(capability)) {
      const why = `this key does not allow ${kind} (capability ${capability})`;
      refuse(channel, why, withPty, notRunLine(command, "forbidden"));
      return resolve();
    }
    const work = async (): Promise<void> => {
      try {
        const sandbox = await host.sandbox();
        if (agent) env["SSH_AUTH_SOCK"] = await host.agentSocket();
        process = await begin(sandbox, env);
      } catch (error) {
        host.failed(kind, error);
        const code = error instanceof RuncodeError ? error.code : undefined;
        return refuse(channel, words(error), withPty, notRunLine(command, code));
      }
      // The client left while the process was being made.
      if (channel.closed) return process.kill();
      current = run(process, channel, { pty: withPty, hangupGraceMs: host.hangupGraceMs });
      for (const what of early) what(process);
      early = [];
      await current.finished;
    };
    void work().finally(resolve);
  };

  session.on("shell", (accept) =>
    start(
      accept() as unknown as RawChannel,
      "shell",
      "a shell",
      (sandbox, env) => sandbox.exec({ command: null, env, ...withPty(pty) }),
      pty !== undefined,
    ),
  );
  session.on("exec", (accept, _reject, info) =>
    start(
      accept() as unknown as RawChannel,
      "exec",
      "commands",
      (sandbox, env) => sandbox.exec({ command: commandOf(info.command), env, ...withPty(pty) }),
      pty !== undefined,
      info.command,
    ),
  );
  session.on("subsystem", (accept, reject, info) => {
    if (info.name !== "sftp") return (reject as (() => void) | undefined)?.();
    start(accept() as unknown as RawChannel, "sftp", "sftp", (sandbox) => sandbox.sftp(), false);
  });
}

/** The login shell is not started only to become /bin/sh, where that becomes the login shell again. */
function commandOf(line: string): string | readonly string[] {
  const script = scriptBeforeOwnShell(line);
  return script === null ? line : ["/bin/sh", "-c", script];
}

const withPty = (pty: PtyRequest | undefined): { pty?: PtyRequest } => (pty === undefined ? {} : { pty });
