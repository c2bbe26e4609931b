// A terminal whose far side this process lets go of. Bun.Terminal keeps its own copy of it open when it is made before the
// child, and while anyone holds one the near side never sees the end of output.
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { libc } from "./libc.ts";

/**
 * Makes a terminal. Call `release` once the child was started: from then on the terminal's `exit` tells of the last user's
 * leaving. Where that cannot be had (no /proc, an unknown libc) nothing is released, and silence has to be taken for the end.
 */
export function openTerminal(options: Bun.TerminalOptions): { terminal: Bun.Terminal; release: () => void } {
  const before = farSides();
  const terminal = new Bun.Terminal(options);
  const made = [...farSides()].filter(([fd, name]) => before.get(fd) !== name);
  const [far] = made;
  return {
    terminal,
    release: () => {
      // Two new ones means that another thread made one at this moment: then neither is known to be ours.
      if (far && made.length === 1) overwrite(far[0]);
    },
  };
}

/** Bun closes the number when the terminal closes, so the number stays taken: by /dev/null, which nobody waits for. */
function overwrite(fd: number): void {
  const system = libc();
  if (!system) return;
  const none = openSync("/dev/null", "r");
  system.dup2(none, fd);
  closeSync(none);
}

function farSides(): Map<number, string> {
  const found = new Map<number, string>();
  try {
    for (const fd of readdirSync("/proc/self/fd")) {
      const name = linkOf(fd);
      if (name.startsWith("/dev/pts/")) found.set(Number(fd), name);
    }
  } catch {
    // No /proc: nothing is found, and nothing will be released.
  }
  return found;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
