// A row that is not of time on the clock: what the processor does on the server's side for what a client sends, the receiving command included.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { median, sh, type Measured } from "./measure.ts";
import type { Bed } from "./rows.ts";

/** What one tick of /proc's clocks is, everywhere on Linux. */
const TICK_MS = 10;

/** 256 MiB up, gateway and sshd in turn; the note says how large the server was at most meanwhile. */
export async function processorTime(bed: Bed, rounds: number): Promise<Measured> {
  const sides = [
    { config: bed.config, host: bed.alias, pid: bed.server.facts.pid, alone: false, times: [] as number[] },
    { config: bed.sshd.config, host: "ref", pid: bed.sshd.pid, alone: true, times: [] as number[] },
  ] as const;
  const [ours, reference] = sides;
  // From now on its largest size is that of this row.
  writeFileSync(`/proc/${ours.pid}/clear_refs`, "5");
  for (let round = -1; round < rounds; round++) {
    for (const { config, host, pid, alone, times } of sides) {
      const before = spent(pid);
      const words = ["-o", "ControlMaster=no", "-o", "ControlPath=none", host, "cat >/dev/null"];
      await sh(["ssh", "-F", config, ...words], { stdin: path.join(bed.dir, "big"), cwd: bed.dir });
      // sshd's time is its children's, and is known once it has taken note of their end.
      if (alone) while (hasChildren(pid)) await Bun.sleep(10);
      if (round >= 0) times.push(spent(pid) - before);
    }
  }
  const most = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${ours.pid}/status`, "utf8"))?.[1] ?? 0);
  return {
    what: "gateway: processor time of 256 MiB up",
    ours: median(ours.times),
    references: [{ name: "sshd", value: median(reference.times) }],
    unit: "ms",
    target: undefined,
    rounds,
    note: `server's memory at most ${Math.round(most / 1024)} MiB`,
  };
}

function hasChildren(pid: number): boolean {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8") !== "";
}

/** Milliseconds of the processor that a process has had, and those of its children that it waited for. */
function spent(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name before it may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
}
