// Two rows that are not a single command: two hundred sessions at once, and what an idle session costs the server in memory.
import { readFileSync, readdirSync } from "node:fs";
import { median, type Measured } from "./measure.ts";
import type { Bed } from "./rows.ts";

interface Side {
  readonly config: string;
  readonly host: string;
}

/** Opens a master of its own, so that all sessions ride one connection, as they do for an agent. */
async function withMaster<T>({ config, host }: Side, socket: string, work: (socket: string) => Promise<T>): Promise<T> {
  const master = Bun.spawn(
    ["ssh", "-F", config, "-o", `ControlPath=${socket}`, "-o", "ControlMaster=yes", "-N", host],
    {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    },
  );
  try {
    for (let left = 200; left > 0; left--) {
      if (
        (await Bun.spawn(["ssh", "-F", config, "-S", socket, "-O", "check", host], {
          stdout: "ignore",
          stderr: "ignore",
        }).exited) === 0
      )
        break;
      await Bun.sleep(20);
    }
    return await work(socket);
  } finally {
    master.kill("SIGTERM");
    await master.exited;
  }
}

/** Gives how many of `count` sessions gave the right answer, and the time for all of them in milliseconds. */
async function crowd(side: Side, socket: string, count: number): Promise<{ right: number; ms: number }> {
  const started = performance.now();
  const answers = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const child = Bun.spawn(
        ["ssh", "-F", side.config, "-S", socket, side.host, `echo $((${i} * 7)); exit ${i % 100}`],
        {
          stdin: "ignore",
          stdout: "pipe",
          stderr: "ignore",
        },
      );
      const [text, exit] = await Promise.all([new Response(child.stdout).text(), child.exited]);
      return text === `${i * 7}\n` && exit === i % 100;
    }),
  );
  return { right: answers.filter(Boolean).length, ms: performance.now() - started };
}

/** 200 sessions at once over one connection each, gateway and sshd in turn. */
export async function twoHundred(bed: Bed, rounds: number): Promise<Measured> {
  const sides = { ours: { config: bed.config, host: bed.alias }, ref: { config: bed.sshd.config, host: "ref" } };
  const times = { ours: [] as number[], ref: [] as number[] };
  const right = { ours: 0, ref: 0 };
  await withMaster(sides.ours, `${bed.dir}/mo`, (ours) =>
    withMaster(sides.ref, `${bed.dir}/mr`, async (ref) => {
      for (let round = 0; round < rounds; round++) {
        for (const [name, socket] of [
          ["ours", ours],
          ["ref", ref],
        ] as const) {
          const result = await crowd(sides[name], socket, 200);
          times[name].push(result.ms);
          right[name] += result.right;
        }
      }
    }),
  );
  return {
    what: "gateway: 200 sessions at once",
    ours: median(times.ours),
    references: [{ name: "sshd", value: median(times.ref) }],
    unit: "ms",
    target: 1.3,
    rounds,
    note: `right: ${right.ours}/${200 * rounds}, sshd ${right.ref}/${200 * rounds}`,
  };
}

/** Resident memory that 50 idle sessions add, each, to the server's process; to sshd and its children. */
export async function idleMemory(bed: Bed): Promise<Measured> {
  const count = 50;
  const perSession = async (side: Side, root: number, socket: string): Promise<number> =>
    withMaster(side, socket, async () => {
      const before = residentKiB(root);
      const idle = Array.from({ length: count }, () =>
        Bun.spawn(["ssh", "-F", side.config, "-S", socket, side.host, "echo up; exec sleep 1000"], {
          stdin: "ignore",
          stdout: "pipe",
          stderr: "ignore",
        }),
      );
      await Promise.all(idle.map((child) => child.stdout.getReader().read()));
      const after = residentKiB(root);
      for (const child of idle) child.kill("SIGTERM");
      await Promise.all(idle.map((child) => child.exited));
      return (after - before) / count;
    });
  const ours = await perSession({ config: bed.config, host: bed.alias }, bed.server.facts.pid, `${bed.dir}/io`);
  const ref = await perSession({ config: bed.sshd.config, host: "ref" }, bed.sshd.pid, `${bed.dir}/ir`);
  return {
    what: "server memory per idle session",
    ours,
    references: [{ name: "sshd", value: ref }],
    unit: "KiB",
    target: undefined,
    rounds: 1,
    note: `${count} sessions, without their own processes`,
  };
}

/** Resident memory of a process and of those of its descendants that are the same program, in KiB. */
function residentKiB(root: number): number {
  const programs = new Map<number, { parent: number; name: string; kib: number }>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${entry}/status`, "utf8");
      const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "0";
      programs.set(Number(entry), { parent: Number(field("PPid")), name: field("Name"), kib: Number(field("VmRSS")) });
    } catch {
      // It ended while we looked.
    }
  }
  const name = programs.get(root)?.name;
  const below = (pid: number): number =>
    [...programs]
      .filter(([, program]) => program.parent === pid)
      .reduce((sum, [child, program]) => sum + (program.name === name ? program.kib : 0) + below(child), 0);
  return (programs.get(root)?.kib ?? 0) + below(root);
}
