// The docker driver against the engines' own command lines, on the same image and the same engine.
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { createDriver } from "../src/server/sandboxes/index.ts";
import { findEngine } from "../src/server/engine/index.ts";
import { BUSYBOX, DEBIAN, ENGINE_KINDS, engineAddress, type EngineKind } from "../test/harness/engines.ts";
import { BINARY, testServer, type TestClient } from "../test/harness/index.ts";
import { measure, sh, type Contestant, type Measured, type Row } from "./measure.ts";

const CROWD = 100;

/** Measures the rows that are wanted on each engine of RUNCODE_TEST_ENGINES, and says which is not there. */
export async function benchContainers(
  dir: string,
  rounds: number,
  wanted: (what: string) => boolean,
  keep: (work: Promise<Measured>) => Promise<void>,
  /** Takes a file of 1 GiB; gives who else brings it to where it goes, without a container. */
  plainly: (file: string) => readonly Contestant[],
): Promise<void> {
  for (const kind of ENGINE_KINDS) {
    const address = engineAddress(kind);
    if (address === null) {
      console.log(`${kind}: not measured, no such engine in RUNCODE_TEST_ENGINES (scripts/engines.sh)`);
      continue;
    }
    await onEngine(kind, address, { dir, rounds, wanted, keep, plainly });
  }
}

interface How {
  readonly dir: string;
  readonly rounds: number;
  readonly wanted: (what: string) => boolean;
  readonly keep: (work: Promise<Measured>) => Promise<void>;
  readonly plainly: Parameters<typeof benchContainers>[4];
}

async function onEngine(kind: EngineKind, address: string, { dir, rounds, wanted, keep, plainly }: How): Promise<void> {
  const names = ["create to first exec, in process", "exec through the gateway", "put 1 GiB", `${CROWD} workspaces`];
  if (!names.some((name) => wanted(`${kind}: ${name}`))) return;
  // Podman's own command line speaks to the same service, so that both do the same work.
  const cli = kind === "docker" ? ["docker", "-H", address] : ["podman", "--url", address];
  const words = ["--driver", "docker", "--engine", address, "--image", DEBIAN, "--engine-network", "none"];
  const server = await testServer(words);
  const reference = `runcode-bench-${process.pid}`;
  const dataDir = path.join(dir, `driver-${kind}`);
  const settings = { address, image: BUSYBOX, network: "none" };
  const driver = await createDriver("docker", { dataDir, self: [BINARY], engine: settings });
  try {
    const client = await server.client();
    await client.ok(["create", "bench", "--wait"]);
    await client.ok(["connect", "bench", "--wait"]);
    await sh([...cli, "run", "-d", "--network", "none", "--name", reference, DEBIAN, "sleep", "infinity"]);
    const runcode = (...args: string[]): Promise<void> => sh([BINARY, ...args], { env: client.home.env, cwd: dir });
    const spec = { id: 1, title: "bench", image: BUSYBOX, limits: {} };
    let clear = async (): Promise<void> => {};
    const rows: Row[] = [
      {
        what: `${kind}: create to first exec, in process`,
        ours: {
          name: "driver",
          before: async () => {
            await clear();
            await driver.delete(spec);
          },
          run: async () => {
            await driver.create(spec);
            const sandbox = await driver.start(spec);
            clear = async () => await sandbox.stop({ graceMs: 0 });
            const ran = await sandbox.exec({ command: ["true"] });
            await ran.exited;
          },
        },
        references: [
          {
            name: `${kind} run`,
            before: () => sh([...cli, "rm", "-f", `${reference}-run`]).catch(() => {}),
            run: () => sh([...cli, "run", "--name", `${reference}-run`, "--network", "none", BUSYBOX, "true"]),
          },
        ],
        target: 1.3,
      },
      {
        what: `${kind}: exec through the gateway`,
        ours: { name: "runcode", run: () => runcode("exec", "--", "true") },
        references: [{ name: `${kind} exec`, run: () => sh([...cli, "exec", reference, "true"]) }],
        target: 1,
      },
      {
        what: `${kind}: put 1 GiB`,
        ours: {
          name: "runcode",
          before: async () => {
            await gibibyte(path.join(dir, "gib"));
            await runcode("exec", "--", "rm -f gib");
          },
          run: () => runcode("put", path.join(dir, "gib"), "gib"),
        },
        references: [
          {
            name: `${kind} cp`,
            before: () => sh([...cli, "exec", reference, "rm", "-f", "/root/gib"]),
            run: () => sh([...cli, "cp", path.join(dir, "gib"), `${reference}:/root/gib`]),
          },
          ...plainly(path.join(dir, "gib")),
        ],
        target: 1,
        rounds: 5,
      },
    ];
    for (const row of rows) if (wanted(row.what)) await keep(measure(row, Math.min(rounds, row.rounds ?? rounds)));
    await clear();
    await driver.delete(spec);
    if (wanted(`${kind}: ${CROWD} workspaces`)) await keep(crowd(kind, client, server.facts.pid));
    await client.run(["delete", "bench", "--yes", "--force"]);
  } finally {
    await sh([...cli, "rm", "-f", reference, `${reference}-run`]).catch(() => {});
    const owner = (await readFile(path.join(server.facts.data_dir, "engine-owner"), "utf8")).trim();
    const other = await readFile(path.join(dataDir, "engine-owner"), "utf8").catch(() => "none");
    await driver.close();
    await server.close();
    const engine = await findEngine(address, { env: {}, home: dir });
    const { Volumes } = await engine.api.listVolumes();
    for (const { Name } of Volumes)
      if (Name.includes(owner) || Name.includes(other.trim()))
        await engine.api
          .getVolume(Name)
          .remove()
          .catch(() => {});
    await engine.close();
    await rm(path.join(dir, "gib"), { force: true });
  }
}

/** All of them started, and stopped again; the server's memory before and after stands in the note. */
async function crowd(kind: EngineKind, client: TestClient, pid: number): Promise<Measured> {
  const names = Array.from({ length: CROWD }, (_, i) => `crowd-${i}`);
  const before = await residentMiB(pid);
  const started = performance.now();
  // Four at a time: what is measured is the server and not how many clients this machine can start.
  const each = async (work: (name: string) => Promise<unknown>): Promise<void> => {
    const queue = names.values();
    const worker = async (): Promise<void> => {
      for (const name of queue) await work(name);
    };
    await Promise.all(Array.from({ length: 4 }, worker));
  };
  await each((name) => client.ok(["create", name, "--image", BUSYBOX, "--wait"]));
  const during = await residentMiB(pid);
  await each((name) => client.ok(["delete", name, "--yes", "--force"]));
  const took = performance.now() - started;
  const after = await residentMiB(pid);
  return {
    what: `${kind}: ${CROWD} workspaces started and stopped`,
    ours: took,
    references: [],
    unit: "ms",
    target: undefined,
    rounds: 1,
    note: `server's memory ${before} MiB before, ${during} MiB with all of them (${Math.round(((during - before) * 1024) / CROWD)} KiB each), ${after} MiB after`,
  };
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

async function gibibyte(file: string): Promise<void> {
  if (Bun.file(file).size === 2 ** 30) return;
  await sh(["head", "-c", String(2 ** 30), "/dev/urandom"], { out: file });
}
