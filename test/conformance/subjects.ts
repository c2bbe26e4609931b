// What the conformance suite is run on: each driver, with the built program to start inside, in a data directory of its own.
import { randomInt } from "node:crypto";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import type {
  Driver,
  DriverHealth,
  ExecRequest,
  Sandbox,
  SandboxProcess,
  SandboxSpec,
} from "../../src/server/sandboxes/driver.ts";
import { createDriver, DRIVERS as REGISTERED } from "../../src/server/sandboxes/index.ts";
import { DockerDriver } from "../../src/server/sandboxes/docker/driver.ts";
import { DEBIAN, ENGINE_KINDS, engineAddress, type EngineName } from "../harness/engines.ts";
import { BINARY } from "../harness/index.ts";

export interface Subject {
  readonly driver: Driver;
  readonly dataDir: string;
  /** A workspace that no other test has. */
  readonly spec: (limits?: SandboxSpec["limits"]) => SandboxSpec;
  /** Made and running; stopped and deleted by `close`. */
  readonly sandbox: (limits?: SandboxSpec["limits"]) => Promise<Sandbox>;
  readonly close: () => Promise<void>;
}

/** The docker driver counts once for each kind of engine; engines.test.ts says which of them are not here. */
export const CONTAINERS = ENGINE_KINDS.filter((kind) => engineAddress(kind) !== null).map(
  (kind) => `docker@${kind}` as const,
);
/** Every driver that a server can be told to use: one that is new is in the suite with its line there. */
export const DRIVERS = REGISTERED.flatMap((name) => (name === "docker" ? CONTAINERS : [name]));
/** And once over the engine's own stream, as for an engine that is not on this machine. */
const STREAMED = CONTAINERS.slice(-1).map((name) => `${name} without a link` as const);
export const WITH_STREAM = [...DRIVERS, ...STREAMED] as const;
export type SubjectName = (typeof WITH_STREAM)[number] | `docker@${EngineName}`;

const UNLINKED = / without a link$/;

/** Takes a name of WITH_STREAM and a data directory; gives the driver as a server's life there would have it. */
export async function driverOn(name: SubjectName, dataDir: string, engine: EngineSettings = {}): Promise<Driver> {
  const [driver = "", kind] = name.replace(UNLINKED, "").split("@");
  const address = kind === undefined ? null : engineAddress(kind as EngineName);
  return await createDriver(driver, {
    dataDir,
    self: [BINARY],
    engine: { address, image: DEBIAN, network: "none", ...engine },
  });
}
/** What each driver says of itself here, for tests that are about what it says it does. */
export async function healthOf<Name extends SubjectName>(names: readonly Name[]): Promise<Record<Name, DriverHealth>> {
  const said = names.map(async (name): Promise<[Name, DriverHealth]> => {
    const dataDir = await mkdtemp(path.join(tmpdir(), "runcode-health-"));
    const driver = await driverOn(name, dataDir);
    try {
      return [name, await driver.probe()];
    } finally {
      await driver.close();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
  return Object.fromEntries(await Promise.all(said)) as Record<Name, DriverHealth>;
}

/** A rootless engine has no cgroup to freeze where systemd gives its account none. */
export function canFreeze({ detail, enforces }: DriverHealth): boolean {
  return !detail.includes(", rootless") || enforces.processes;
}

type EngineSettings = Parameters<typeof createDriver>[1]["engine"] & object;

/** Takes a driver's name; gives it ready for use, in a new data directory. */
export async function subject(name: SubjectName, engine: EngineSettings = {}): Promise<Subject> {
  const root = await realpath(await mkdtemp(path.join(tmpdir(), "runcode-conformance-")));
  // Too long for the path of a socket: everything goes through the engine then.
  const dataDir = UNLINKED.test(name) ? path.join(root, "x".repeat(100)) : root;
  const driver = await driverOn(name, dataDir, engine);
  const used: [SandboxSpec, Sandbox | null][] = [];
  let next = 1;
  const spec: Subject["spec"] = (limits = {}) => {
    const id = next++;
    const made = { id, title: `box-${id}`, image: null, limits };
    used.push([made, null]);
    return made;
  };
  return {
    driver,
    dataDir,
    spec,
    sandbox: async (limits) => {
      const made = spec(limits);
      await driver.create(made);
      const sandbox = await driver.start(made);
      used.push([made, sandbox]);
      return sandbox;
    },
    close: async () => {
      await Promise.all(used.map(async ([, sandbox]) => await sandbox?.stop({ graceMs: 0 })));
      for (const [spec] of used) await driver.delete(spec);
      if (driver instanceof DockerDriver) await driver.forget();
      await driver.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: Awaited<SandboxProcess["exited"]>;
}

/** Finds a container of a workspace as its driver would; those of all workspaces where none is given. */
export async function containersOf(engine: Engine, on: Subject, spec?: SandboxSpec): Promise<string[]> {
  const owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
  const label = [`runcode.server=${owner}`, ...(spec ? [`runcode.workspace=${spec.id}`] : [])];
  return (await engine.api.listContainers({ all: true, filters: { label } })).map(({ Id }) => Id);
}

/** Stops the helper in a container whose link is there, so that only what runs already can be reached; gives what lets it go on. */
export async function stopHelper(sandbox: Sandbox): Promise<() => Promise<void>> {
  const find =
    'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <$p/cmdline)" in *"runcode sandbox-""agent"*) echo ${p##*/};; esac; done';
  const helper = (await run(sandbox, find)).stdout.trim();
  const still = await sandbox.exec({
    command: `read go && kill -STOP ${helper} && echo stopped && read go && kill -CONT ${helper}`,
  });
  // Not before the helper has said that it runs.
  still.stdin.write("go\n");
  await seen(still.stdout, "stopped\n");
  return async () => {
    still.stdin.end("go\n");
    if (!("code" in (await still.exited))) throw new Error("the helper was not let go on");
  };
}

/** The docker driver on one engine, and that engine as it is past the driver. */
export interface EngineSubject extends Subject {
  readonly engine: Engine;
}

/** Takes a kind of engine and its address; gives the docker driver on it, ready for use. `close` lets go of the engine as well. */
export async function engineSubject(
  kind: EngineName,
  address: string,
  settings: EngineSettings = {},
): Promise<EngineSubject> {
  const on = await subject(`docker@${kind}`, settings);
  const engine = await findEngine(address, { env: {}, home: "/nonexistent" });
  const close = async (): Promise<void> => {
    await on.close();
    await engine.close();
  };
  return { ...on, engine, close };
}

/** Runs a command to its end, with `input` on its stdin. */
export async function run(
  sandbox: Sandbox,
  command: ExecRequest["command"],
  { input = "", ...request }: Omit<ExecRequest, "command"> & { input?: string } = {},
): Promise<Outcome> {
  const process = await sandbox.exec({ command, ...request });
  process.stdin.end(input);
  const [stdout, stderr, exit] = await Promise.all([
    text(process.stdout),
    process.stderr ? text(process.stderr) : "",
    process.exited,
  ]);
  return { stdout, stderr, exit };
}

/** A number of seconds that no other test sleeps for, on this machine: how a test tells its own processes from all others. */
export function nap(): number {
  return randomInt(1_000_000, 2 ** 31);
}

/** Resolves with what came so far once `wanted` is in it; rejects when the stream ends before. */
export async function seen(stream: NodeJS.ReadableStream, wanted: string | RegExp): Promise<string> {
  let sofar = "";
  return await new Promise((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      sofar += chunk.toString();
      if (typeof wanted === "string" ? !sofar.includes(wanted) : !wanted.test(sofar)) return;
      stream.off("data", look).off("end", gone);
      stream.pause();
      resolve(sofar);
    };
    const gone = (): void => reject(new Error(`ended before ${String(wanted)}: ${JSON.stringify(sofar)}`));
    stream.on("data", look).on("end", gone);
    stream.resume();
  });
}
