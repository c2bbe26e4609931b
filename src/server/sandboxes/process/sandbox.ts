// A running workspace of the `process` driver: a home directory and the sessions that were started in it.
import { accessSync, constants } from "node:fs";
import { userInfo } from "node:os";
import type { Duplex } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { ExecRequest, Sandbox, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import { endAll } from "../ending.ts";
import type { Cgroup } from "../cgroup.ts";
import { argvOf, checkedEnv, inherited } from "../environment.ts";
import { isDirectory, type WorkspaceFiles } from "../home.ts";
import { launch } from "../launch.ts";
import { dialHere, listenOnPath, listenOnPort } from "../sockets.ts";
import { launchOnTerminal } from "../terminal.ts";
import { MARKER, membersOf, processes, processRow, signalEach } from "../tree.ts";

export class ProcessSandbox implements Sandbox {
  readonly home: string;
  readonly workdir: string;
  readonly user = userInfo().username;
  readonly ended: Promise<{ readonly reason: string }>;
  readonly #root: string;
  readonly #self: readonly string[];
  readonly #shell = loginShell();
  readonly #env: Record<string, string>;
  /** Leaders of the sessions that were started here and may have members still. */
  readonly #sessions = new Set<number>();
  readonly #listeners = new Set<SandboxListener>();
  #over = false;
  #end: (ending: { reason: string }) => void = () => {};

  readonly #cgroup: Cgroup | null;

  constructor(files: WorkspaceFiles, self: readonly string[], cgroup: Cgroup | null) {
    this.#cgroup = cgroup;
    this.home = files.home;
    this.workdir = files.project;
    this.#root = files.root;
    this.#self = self;
    this.#env = {
      ...inherited(process.env),
      HOME: this.home,
      USER: this.user,
      LOGNAME: this.user,
      SHELL: this.#shell,
      [MARKER]: this.#root,
    };
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  async exec(request: ExecRequest): Promise<SandboxProcess> {
    this.#mustRun();
    const cwd = request.cwd ?? this.home;
    if (!cwd.startsWith("/") || !(await isDirectory(cwd)))
      throw new RuncodeError("not_found", `there is no directory ${cwd} in the workspace`);
    return await this.#spawn(argvOf(request.command, this.#shell), request, cwd);
  }

  async sftp(): Promise<SandboxProcess> {
    this.#mustRun();
    return await this.#spawn([...this.#self, "sftp-server"], {}, this.home);
  }

  async dial(target: Target): Promise<Duplex> {
    this.#mustRun();
    return await dialHere(target);
  }

  async listen(
    target: Target,
    onConnection: (connection: Duplex, from: { host: string; port: number }) => void,
  ): Promise<SandboxListener> {
    this.#mustRun();
    const listener =
      "path" in target
        ? await listenOnPath(target.path, onConnection)
        : await listenOnPort(target.host, target.port, onConnection);
    this.#listeners.add(listener);
    return {
      port: listener.port,
      close: async () => {
        this.#listeners.delete(listener);
        await listener.close();
      },
    };
  }

  async pause(): Promise<void> {
    this.#mustRun();
    if (!(await this.#cgroup?.freeze(true))) signalEach(await this.#members(), "SIGSTOP");
  }

  async resume(): Promise<void> {
    this.#mustRun();
    if (!(await this.#cgroup?.freeze(false))) signalEach(await this.#members(), "SIGCONT");
  }

  async stop(options: { graceMs?: number } = {}): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#listeners].map(async (listener) => await listener.close()));
    await this.#cgroup?.freeze(false);
    const gone = await endAll(async () => await this.#members(), options.graceMs ?? 2000);
    await this.#cgroup?.remove();
    this.#end({ reason: gone ? "stopped" : "stopped, with processes left that take no signal" });
  }

  async #spawn(argv: readonly string[], request: Omit<ExecRequest, "command">, cwd: string): Promise<SandboxProcess> {
    // `exec` by a shell, so that a program that is not there is 127 and a line on stderr, as sshd's user would see it.
    const here =
      argv[0] === "/bin/sh" || argv[0] === this.#shell ? argv : ["/bin/sh", "-c", 'exec "$@"', "sh", ...argv];
    const what = {
      argv: this.#cgroup ? this.#cgroup.joined(argv) : here,
      env: {
        ...this.#env,
        ...checkedEnv(request.env),
        ...(request.pty ? { TERM: request.pty.term } : {}),
        [MARKER]: this.#root,
      },
      cwd,
      group: (pid: number): number => foregroundOf(pid) ?? pid,
      started: (pid: number): void => void this.#sessions.add(pid),
    };
    return request.pty ? launchOnTerminal(what, request.pty, true) : await launch(what);
  }

  /** The kernel's list where there is one, else what can be told from /proc. */
  async #members(): Promise<number[]> {
    return this.#cgroup ? await this.#cgroup.members() : await membersOf(this.#root, this.#liveSessions());
  }

  /** A number is not given to another process while it names a session; once the last member left it is forgotten here. */
  #liveSessions(): ReadonlySet<number> {
    if (process.platform !== "linux") return this.#sessions;
    const live = new Set(processes().map((row) => row.session));
    for (const leader of this.#sessions) if (!live.has(leader)) this.#sessions.delete(leader);
    return this.#sessions;
  }

  #mustRun(): void {
    if (this.#over) throw new RuncodeError("conflict", "the workspace is not running", { hint: "start it" });
  }
}

/** What ^C on the process's terminal would reach. */
function foregroundOf(pid: number): number | null {
  const row = processRow(pid);
  return row && row.foreground > 0 ? row.foreground : null;
}

function loginShell(): string {
  const isProgram = (file: string | null | undefined): file is string => {
    try {
      if (!file?.startsWith("/")) return false;
      accessSync(file, constants.X_OK);
      return !/(nologin|false)$/.test(file);
    } catch {
      return false;
    }
  };
  return [userInfo().shell, "/bin/bash"].find(isProgram) ?? "/bin/sh";
}
