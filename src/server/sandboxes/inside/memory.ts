// How often the kernel has ended a process of this sandbox for want of memory, as its own control group counts it.
import { readFileSync } from "node:fs";

/** cgroups v2, then v1 (where the count is there since Linux 4.13). */
const COUNTERS = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/** Gives the count; 0 where the sandbox cannot see it. */
export function oomKills(): number {
  for (const file of COUNTERS) {
    try {
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? 0);
    } catch {
      continue;
    }
  }
  return 0;
}
