// A running workspace of the `namespace` driver: the holder's namespaces, and what is started in them.
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { chown, rm } from "node:fs/promises";
import path from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { Cgroup } from "../cgroup.ts";
import type { ExecRequest, OnConnection, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import { EmbeddedSandbox } from "../embedded-sandbox.ts";
import { argvOf, checkedEnv, DEFAULT_PATH } from "../environment.ts";
import { launch } from "../launch.ts";
import { connected } from "../relayed.ts";
import { dialHere, listenOnPath, listenOnPort } from "../sockets.ts";
import { launchOnTerminal } from "../terminal.ts";
import { askToEnd, processes, processRow, signalEach } from "../tree.ts";
import { entering, type Holder } from "./holder.ts";
import { HOME, SELF, shell, SOCKETS, USER } from "./view.ts";

const POLL_MS = 20;

export interface NamespaceOptions {
  readonly root: string;
  readonly uid: number | null;
  readonly cgroup: Cgroup | null;
}

export class NamespaceSandbox extends EmbeddedSandbox {
  readonly home = HOME;
  readonly workdir = `${HOME}/workspace`;
  readonly user = USER;
  readonly ended: Promise<{ readonly reason: string }>;
  readonly #holder: Holder;
  readonly #options: NamespaceOptions;
  readonly #gone: Promise<unknown>;
  readonly #env = {
    HOME,
    USER,
    LOGNAME: USER,
    SHELL: shell(),
    PATH: `${HOME}/.local/bin:${DEFAULT_PATH}`,
    LANG: "C.UTF-8",
  };
  /** The nsenters outside. One that sees its child stopped stops as well, and must be told to go on. */
  readonly #waiting = new Set<number>();
  #sockets = 0;
  #stopping = false;

  constructor(holder: Holder, options: NamespaceOptions) {
    super(options.cgroup);
    this.#holder = holder;
    this.#options = options;
    this.#gone = holder.process.exitCode === null ? once(holder.process, "exit") : Promise.resolve();
    this.ended = this.#gone.then(async () => {
      this.over = true;
      signalEach([...this.#waiting], "SIGCONT");
      await this.closeListeners();
      await options.cgroup?.remove();
      return { reason: this.#stopping ? "stopped" : "its first process ended" };
    });
  }

  async exec(request: ExecRequest): Promise<SandboxProcess> {
    const { cwd = HOME } = request;
    if (cwd !== HOME) {
      const there = cwd.startsWith("/") && (await this.#succeeds(["test", "-d", cwd, "-a", "-x", cwd]));
      if (!there) throw new RuncodeError("not_found", `there is no directory ${cwd} in the workspace`);
    }
    return await this.#spawn(argvOf(request.command, this.#env.SHELL), request, cwd);
  }

  async sftp(): Promise<SandboxProcess> {
    return await this.#spawn([SELF, "sftp-server"]);
  }

  async dial(target: Target): Promise<Duplex> {
    this.mustRun();
    // A path means what it means inside: it is followed there, by a process with the workspace's rights.
    return "path" in target
      ? await connected(await this.#spawn([SELF, "sandbox-relay", target.path]), target.path)
      : await dialHere(target);
  }

  async stop({ graceMs = 2000 }: { graceMs?: number } = {}): Promise<void> {
    if (!this.over) {
      this.over = true;
      this.#stopping = true;
      await this.cgroup?.freeze(false);
      if (graceMs > 0) await this.#askToEnd(graceMs);
      // The first process is only gone once all others in its namespace are, and bwrap ends when it has seen that.
      signalEach([this.#holder.init], "SIGKILL");
      const late = setTimeout(() => signalEach([this.#holder.monitor], "SIGKILL"), 5000);
      void this.ended.then(() => clearTimeout(late));
      signalEach([...this.#waiting], "SIGCONT");
    }
    await this.ended;
  }

  protected async bind(target: Target, onConnection: OnConnection): Promise<SandboxListener> {
    return "path" in target
      ? await this.#listenOnPath(target.path, onConnection)
      : await this.#listenOnPort(target.host, target.port, onConnection);
  }

  async #askToEnd(graceMs: number): Promise<void> {
    const own = new Set([this.#holder.init, this.#holder.monitor]);
    const others = (): number[] =>
      this.#members().filter((pid) => !own.has(pid) && processRow(pid)?.parent !== this.#holder.init);
    const members = this.#members().filter((pid) => !own.has(pid));
    askToEnd(members);
    for (const until = Date.now() + graceMs; others().length > 0 && Date.now() < until;)
      await systemClock.sleep(POLL_MS);
  }

  protected async members(): Promise<number[]> {
    return this.#members();
  }

  protected override async stopped(): Promise<number[]> {
    return [...this.#members(), ...this.#waiting];
  }

  /** All in the PID namespace, by this machine's numbering. Cannot be left, and so needs no second look. */
  #members(): number[] {
    const namespace = namespaceOf(this.#holder.init);
    if (namespace === null) return [];
    return processes().flatMap(({ pid }) => (namespaceOf(pid) === namespace ? [pid] : []));
  }

  async #succeeds(argv: readonly string[]): Promise<boolean> {
    const process = await this.#spawn(argv);
    process.stdin.end();
    const [exit] = await Promise.all([process.exited, text(process.stdout), process.stderr && text(process.stderr)]);
    return "code" in exit && exit.code === 0;
  }

  async #spawn(
    argv: readonly string[],
    request: Omit<ExecRequest, "command"> = {},
    cwd = HOME,
  ): Promise<SandboxProcess> {
    this.mustRun();
    const env = { ...this.#env, ...checkedEnv(request.env), ...(request.pty ? { TERM: request.pty.term } : {}) };
    const inside = entering(this.#holder, this.#options.uid, { argv, cwd, env, terminal: request.pty !== undefined });
    const what = {
      argv: this.cgroup ? this.cgroup.joined(inside.argv) : inside.argv,
      env: inside.env,
      cwd: "/",
      owner: this.#options.uid,
      group: groupInside,
      started: (pid: number): void => void this.#waiting.add(pid),
      ended: (pid: number): void => void this.#waiting.delete(pid),
    };
    return request.pty ? launchOnTerminal(what, request.pty, false) : await launch(what);
  }

  /** Privileged ports are the machine's: what the server itself could bind is not for a workspace to have. */
  async #listenOnPort(host: string, port: number, onConnection: OnConnection): Promise<SandboxListener> {
    if (port !== 0 && port < 1024)
      throw new RuncodeError("forbidden", `the workspace may not listen on port ${port}`, {
        hint: "choose a port from 1024 up",
      });
    return await listenOnPort(host, port, onConnection);
  }

  /** The server listens outside, in a directory that is shown inside; the path that was asked for becomes a link to it there. */
  async #listenOnPath(wanted: string, onConnection: OnConnection): Promise<SandboxListener> {
    const name = String(++this.#sockets);
    const outside = path.join(this.#options.root, "sockets", name);
    const inside = `${SOCKETS}/${name}`;
    await rm(outside, { force: true });
    const listener = await listenOnPath(outside, onConnection, wanted);
    if (this.#options.uid !== null) await chown(outside, this.#options.uid, this.#options.uid);
    if (!(await this.#succeeds(["ln", "-sT", "--", inside, wanted]))) {
      await listener.close();
      throw new RuncodeError("conflict", `${wanted} is already taken in the workspace, or cannot be made there`);
    }
    return {
      port: 0,
      close: async () => {
        await listener.close();
        await rm(outside, { force: true });
        const unlink = '[ "$(readlink -- "$1")" = "$2" ] && rm -f -- "$1"';
        if (!this.over) await this.#succeeds(["/bin/sh", "-c", unlink, "sh", wanted, inside]);
      },
    };
  }
}

/** nsenter waits outside for its one child; the child leads a session of its own, on the terminal if there is one. */
function groupInside(outer: number): number {
  const inner = processes().find((row) => row.parent === outer);
  if (!inner) return outer;
  return inner.foreground > 0 ? inner.foreground : inner.group;
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}
