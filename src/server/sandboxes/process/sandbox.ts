// A running workspace of the `process` driver: a home directory and the sessions that were started in it.
import { accessSync, constants } from "node:fs";
import { userInfo } from "node:os";
import type { Duplex } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import { RECEIVER_VARIABLE } from "../../../protocol/receiver.ts";
import type { ExecRequest, OnConnection, SandboxListener, SandboxProcess, Target } from "../driver.ts";
import { EmbeddedSandbox } from "../embedded-sandbox.ts";
import { endAll } from "../ending.ts";
import type { Cgroup } from "../cgroup.ts";
import { argvOf, checkedEnv, inherited } from "../environment.ts";
import { isDirectory, type WorkspaceFiles } from "../home.ts";
import { launch } from "../launch.ts";
import { dialHere, listenOnPath, listenOnPort } from "../sockets.ts";
import { launchOnTerminal } from "../terminal.ts";
import { MARKER, membersOf, processes, processRow } from "../tree.ts";

export class ProcessSandbox extends EmbeddedSandbox {
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
  #end: (ending: { reason: string }) => void = () => {};

  constructor(files: WorkspaceFiles, self: readonly string[], receiver: string, cgroup: Cgroup | null) {
    super(cgroup);
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
      [RECEIVER_VARIABLE]: receiver,
    };
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  async exec(request: ExecRequest): Promise<SandboxProcess> {
    this.mustRun();
    const cwd = request.cwd ?? this.home;
    if (!cwd.startsWith("/") || !(await isDirectory(cwd)))
      throw new RuncodeError("not_found", `there is no directory ${cwd} in the workspace`);
    return await this.#spawn(argvOf(request.command, this.#shell), request, cwd);
  }

  async sftp(): Promise<SandboxProcess> {
    this.mustRun();
    return await this.#spawn([...this.#self, "sftp-server"], {}, this.home);
  }

  async dial(target: Target): Promise<Duplex> {
    this.mustRun();
    return await dialHere(target);
  }

  async stop(options: { graceMs?: number } = {}): Promise<void> {
    this.over = true;
    await this.closeListeners();
    await this.cgroup?.freeze(false);
    const gone = await endAll(async () => await this.members(), options.graceMs ?? 2000);
    await this.cgroup?.remove();
    this.#end({ reason: gone ? "stopped" : "stopped, with processes left that take no signal" });
  }

  protected async bind(target: Target, onConnection: OnConnection): Promise<SandboxListener> {
    return "path" in target
      ? await listenOnPath(target.path, onConnection)
      : await listenOnPort(target.host, target.port, onConnection);
  }

  async #spawn(argv: readonly string[], request: Omit<ExecRequest, "command">, cwd: string): Promise<SandboxProcess> {
    // `exec` by a shell, so that a program that is not there is 127 and a line on stderr, as sshd's user would see it.
    const here =
      argv[0] === "/bin/sh" || argv[0] === this.#shell ? argv : ["/bin/sh", "-c", 'exec "$@"', "sh", ...argv];
    const what = {
      argv: this.cgroup ? this.cgroup.joined(argv) : here,
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
  protected async members(): Promise<number[]> {
    return this.cgroup ? await this.cgroup.members() : await membersOf(this.#root, this.#liveSessions());
  }

  /** A number is not given to another process while it names a session; once the last member left it is forgotten here. */
  #liveSessions(): ReadonlySet<number> {
    if (process.platform !== "linux") return this.#sessions;
    const live = new Set(processes().map((row) => row.session));
    for (const leader of this.#sessions) if (!live.has(leader)) this.#sessions.delete(leader);
    return this.#sessions;
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
