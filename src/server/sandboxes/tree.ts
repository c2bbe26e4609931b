// Which processes of this machine belong to a sandbox, where no kernel object (a cgroup, a PID namespace) says so.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { errno } from "../../platform/files.ts";

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The group in the foreground of its terminal, or -1. */
  readonly foreground: number;
  readonly zombie: boolean;
}

/** The variable every process of the `process` driver carries: its value names the workspace. */
export const MARKER = "RUNCODE_SANDBOX";

/** Takes the text of /proc/<pid>/stat; gives its row, or null for text that is none. The second field may hold anything, `)` too. */
export function parseStat(text: string): ProcessRow | null {
  const close = text.lastIndexOf(")");
  const pid = Number.parseInt(text, 10);
  const [state, ...numbers] = text.slice(close + 2).split(" ");
  const [parent, group, session, , foreground] = numbers.map(Number);
  if (close < 0 || !Number.isInteger(pid) || parent === undefined || group === undefined) return null;
  return {
    pid,
    parent,
    group,
    session: session ?? 0,
    foreground: foreground ?? -1,
    zombie: state === "Z" || state === "X",
  };
}

/** One process, or null when it is gone (or the machine has no /proc). */
export function processRow(pid: number): ProcessRow | null {
  return pid > 0 ? parseStat(readOrEmpty(`/proc/${pid}/stat`)) : null;
}

/** Every process of this machine that can be seen, zombies left out. Synchronous: 300 of them take 4 ms, and a snapshot in pieces is none. */
export function processes(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync("/proc")) {
    const row = /^\d+$/.test(name) ? processRow(Number(name)) : null;
    if (row && !row.zombie) rows.push(row);
  }
  return rows;
}

/**
 * Takes a sandbox's marker value and the sessions its processes were started in; gives the pids of all that carry the
 * marker, are in one of the sessions, or descend from such a one. What cleared its environment AND left its session AND
 * lost its parent is not found: only a cgroup or a namespace holds on to that.
 */
export async function membersOf(marker: string, sessions: ReadonlySet<number>): Promise<number[]> {
  const rows = process.platform === "linux" ? processes() : await processesByPs();
  const wanted = `${MARKER}=${marker}`;
  const members = new Set<number>();
  for (const { pid, session } of rows) {
    if (sessions.has(session) || readOrEmpty(`/proc/${pid}/environ`).split("\0").includes(wanted)) members.add(pid);
  }
  for (let grew = true; grew;) {
    grew = false;
    for (const { pid, parent } of rows) {
      if (members.has(parent) && !members.has(pid)) {
        members.add(pid);
        grew = true;
      }
    }
  }
  members.delete(process.pid);
  return [...members];
}

/** As `processes`, where there is no /proc. `sess` is a pointer on macOS; a session's leader is its group's there in practice. */
async function processesByPs(): Promise<ProcessRow[]> {
  const { stdout } = await promisify(execFile)("/bin/ps", ["-axo", "pid=,ppid=,pgid=,tpgid=,stat="]);
  return stdout.split("\n").flatMap((line) => {
    const [pid, parent, group, foreground, state] = line.trim().split(/\s+/);
    if (!pid || state?.startsWith("Z")) return [];
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        group: Number(group),
        session: Number(group),
        foreground: Number(foreground),
        zombie: false,
      },
    ];
  });
}

/** Signals each of the processes; those that are gone by now are no error. */
export function signalEach(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    if (pid <= 1) continue;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errno(error) !== "ESRCH" && errno(error) !== "EPERM") throw error;
    }
  }
}

/** Asks processes to end, as a machine that shuts down does. */
export function askToEnd(pids: readonly number[]): void {
  signalEach(pids, "SIGTERM");
  // An interactive shell ignores TERM and leaves when its terminal hangs up.
  const onTerminal = pids.map(processRow).filter((row) => row && row.foreground > 0 && row.pid === row.session);
  signalEach(
    onTerminal.map((row) => row?.pid ?? 0),
    "SIGHUP",
  );
  // A stopped process hears nothing before it goes on.
  signalEach(pids, "SIGCONT");
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
