// A sandbox as seen from within: its own processes, files and network, with nothing between. It needs of the image neither a
// shell nor any other program.
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { ExecRequest, SandboxProcess } from "../driver.ts";
import { argvOf, checkedEnv, DEFAULT_PATH } from "../environment.ts";
import { launch, noStreams, type Descriptors } from "../launch.ts";
import type { Here } from "../remote/far.ts";
import { dialHere, listenOnPath, listenOnPort } from "../sockets.ts";
import { launchOnTerminal } from "../terminal.ts";
import { processRow } from "../tree.ts";
import { accountOf } from "./account.ts";
import { selfArgv } from "./helper.ts";
import { oomKills } from "./memory.ts";
import { usedUp } from "./processes.ts";
import { theirEnvironment } from "./own-environment.ts";

/** Takes the environment that the engine gave this process; gives the sandbox. */
export function sandboxHere(given: Readonly<Record<string, string | undefined>>): Here {
  const { name, shell, home } = accountOf(readOrEmpty("/etc/passwd"), process.getuid?.() ?? 0, given["HOME"]);
  const env: Record<string, string> = { PATH: DEFAULT_PATH, ...theirEnvironment(given) };
  Object.assign(env, { HOME: home, USER: name, LOGNAME: name, SHELL: firstProgram([shell, "/bin/bash", "/bin/sh"]) });
  // An image's account may have a home that nobody made; sshd begins at the root then.
  const from = (): string => (isOpenDirectory(home) ? home : "/");
  const start = async (
    argv: readonly string[],
    request: Omit<ExecRequest, "command">,
    streams?: Descriptors,
    base: Readonly<Record<string, string>> = env,
  ): Promise<SandboxProcess> => {
    const own: Record<string, string> = {
      ...base,
      ...checkedEnv(request.env),
      ...(request.pty ? { TERM: request.pty.term } : {}),
    };
    const cwd = request.cwd ?? from();
    const found = programAt(argv[0] ?? "", own["PATH"] ?? DEFAULT_PATH, cwd);
    if (typeof found === "number") return missing(argv[0] ?? "", found, request.pty !== undefined);
    const what = {
      argv: [found, ...argv.slice(1)],
      env: own,
      cwd,
      streams,
      group: (pid: number): number => foregroundOf(pid) ?? pid,
    };
    try {
      return request.pty ? launchOnTerminal(what, request.pty, true) : toldOfMemory(await launch(what));
    } catch (error) {
      throw usedUp(error);
    }
  };
  return {
    user: name,
    home,
    exec: async (request, streams) => {
      const cwd = request.cwd ?? from();
      if (!cwd.startsWith("/") || !isOpenDirectory(cwd))
        throw new RuncodeError("not_found", `there is no directory ${cwd} in the workspace`);
      return await start(argvOf(request.command, env["SHELL"] ?? "/bin/sh"), request, streams);
    },
    sftp: async (streams) =>
      await start([...selfArgv(), "sftp-server"], {}, streams, { ...given, HOME: home } as typeof env),
    dial: dialHere,
    listen: async (target, onConnection) =>
      "path" in target
        ? await listenOnPath(target.path, onConnection)
        : await listenOnPort(target.host, target.port, onConnection),
  };
}

/** A process that the kernel ended for want of memory says nothing itself; its stderr says it for it. */
function toldOfMemory(process: SandboxProcess): SandboxProcess {
  const before = oomKills();
  const { stderr } = process;
  if (!stderr) return process;
  const told = new Readable({
    read: () => void stderr.resume(),
    destroy: (error, done) => {
      stderr.destroy();
      done(error);
    },
  });
  stderr.on("data", (bytes: Buffer) => {
    if (!told.push(bytes)) stderr.pause();
  });
  stderr.once("close", () => {
    void process.exited.then((exit) => {
      if ("signal" in exit && exit.signal === "KILL" && oomKills() > before)
        told.push("runcode: killed: the workspace's memory is used up\n");
      told.push(null);
    });
  });
  return { ...process, stderr: told };
}

/** What a shell would say and how it would end, where there may be no shell. */
function missing(program: string, code: number, terminal: boolean): SandboxProcess {
  const line = `runcode: ${program}: ${code === 126 ? "permission denied" : "not found"}\n`;
  const [stdin] = noStreams();
  return {
    stdin,
    stdout: Readable.from(terminal ? [Buffer.from(line.replace("\n", "\r\n"))] : []),
    stderr: terminal ? null : Readable.from([Buffer.from(line)]),
    exited: Promise.resolve({ code }),
    resize: () => {},
    signal: () => {},
    kill: () => {},
  };
}

/** Gives the program's file, or the exit code of execvp(3) in a shell: 127 when there is none, 126 when it may not be run. */
function programAt(name: string, search: string, cwd: string): string | number {
  const places = name.includes("/")
    ? [path.resolve(cwd, name)]
    : search.split(":").map((dir) => path.resolve(cwd, dir, name));
  let code = 127;
  for (const file of places) {
    const is = statSync(file, { throwIfNoEntry: false });
    if (!is) continue;
    if (is.isFile() && mayRun(file)) return name.includes("/") ? name : file;
    code = 126;
  }
  return code;
}

function mayRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isOpenDirectory(dir: string): boolean {
  return (statSync(dir, { throwIfNoEntry: false })?.isDirectory() ?? false) && mayRun(dir);
}

function firstProgram(files: readonly (string | null)[]): string {
  return (
    files.find((file): file is string => file !== null && !/(nologin|false)$/.test(file) && mayRun(file)) ?? "/bin/sh"
  );
}

/** What ^C on the process's terminal would reach. */
function foregroundOf(pid: number): number | null {
  const row = processRow(pid);
  return row && row.foreground > 0 ? row.foreground : null;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
