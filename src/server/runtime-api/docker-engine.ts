// The runtime API's engine over the Docker Engine API: Docker and Podman alike.
import { setTimeout } from "node:timers/promises";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../protocol/errors.ts";
import {
  engineError,
  ifThere,
  isMissing,
  linesOf,
  pullLines,
  reasonOf,
  statusOf,
  type Engine,
} from "../engine/index.ts";
import { containerName, SERVER_LABEL, WORKSPACE_LABEL } from "../sandboxes/docker/owner.ts";
import { volumeMount } from "../sandboxes/docker/container.ts";
import { EngineRefusal, type ContainerRequest, type EngineContainer, type RuntimeEngine } from "./engine.ts";

/** A runtime's processes are the host's; room for everything but a fork bomb. */
const PROCESSES = 4096;

/**
 * Podman says that it has stopped a container whose first process has just ended by itself, and then starts it again where its
 * restart policy says so. It is over when Podman has cleaned up after it: `exited`, no more `stopped`.
 */
const STOP_TRIES = 100;
const BETWEEN_TRIES_MS = 50;

/**
 * The name that a runtime was made with. Whatever is made of an image that somebody made of a runtime has the runtime's labels, and
 * cannot have its name: it is no runtime.
 */
const NAME_LABEL = "runcode.name";

/** Takes an engine; gives what the runtime API asks of one. */
export function dockerEngine(engine: Engine): RuntimeEngine {
  const { api, endpoint } = engine;
  const ask = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      // 5xx too: Docker answers 500 to a port that is taken and to a program that is not there.
      if (statusOf(error) !== undefined) throw new EngineRefusal(reasonOf(error), { cause: error });
      const known = engineError(error, null);
      if (known.code !== "unavailable") throw new EngineRefusal(known.message, { cause: error });
      // Where the engine is, is said to the operator, and not to callers.
      throw new RuncodeError(known.code, known.message, { cause: engineError(error, null, endpoint) });
    }
  };
  /** As `ask`, where the answer may be that there is no such thing. */
  const seek = async <T>(work: Promise<T>): Promise<T | null> => ask(ifThere(work));
  /** As `ask`, for what is no failure when it is so already. */
  const ensure = async (work: Promise<unknown>, already: readonly number[]): Promise<void> => {
    await ask(
      work.catch((error: unknown) => {
        if (!already.includes(isMissing(error) ? 404 : (statusOf(error) ?? 0))) throw error;
      }),
    );
  };
  const container = (id: string): Dockerode.Container => api.getContainer(id);

  return {
    hasImage: async (image) => (await seek(api.getImage(image).inspect())) !== null,
    pull: async (image, signal) => {
      const stream = await ask(api.pull(withTag(image), { abortSignal: signal }));
      await ask(pulled(stream, signal));
    },
    create: async (request) => {
      const { enforces } = await ask(engine.traits());
      return (await ask(api.createContainer(optionsOf(request, enforces.processes)))).id;
    },
    start: (id) => ensure(container(id).start(), [304]),
    stop: async (id, graceSeconds) => {
      for (let tries = 0; tries < STOP_TRIES; tries++) {
        await ensure(container(id).stop({ t: graceSeconds }), [304, 404]);
        const status = (await seek(container(id).inspect()))?.State.Status;
        if (status !== "stopped" && status !== "running") return;
        await setTimeout(BETWEEN_TRIES_MS);
      }
    },
    pause: (id) => ensure(container(id).pause(), []),
    unpause: (id) => ensure(container(id).unpause(), []),
    // 409: its removal is under way already.
    remove: (id) => ensure(container(id).remove({ force: true, v: true }), [404, 409]),
    find: async (ref) => {
      const found = await seek(container(ref).inspect().catch(noneOfSeveral));
      return found && !isOthers(found) ? inspected(found) : null;
    },
    labelled: async (label, value) => {
      const filter = value === undefined ? label : `${label}=${value}`;
      const listed = await ask(api.listContainers({ all: true, filters: { label: [filter] } }));
      const found = await Promise.all(listed.map(({ Id }) => seek(container(Id).inspect())));
      return found
        .flatMap((one) => (one && !isOthers(one) ? [inspected(one)] : []))
        .sort((a, b) => Date.parse(b.created) - Date.parse(a.created));
    },
    events: async (label, value, signal) => {
      const filters = { type: ["container"], label: [`${label}=${value}`] };
      const stream = await ask(api.getEvents({ filters, abortSignal: signal } as Dockerode.GetEventsOptions));
      return happened(stream, signal);
    },
    network: async (name) => {
      const found = await seek(api.getNetwork(name).inspect() as Promise<Dockerode.NetworkInspectInfo>);
      return found && { name: found.Name, driver: found.Driver, labels: found.Labels ?? {} };
    },
  };
}

/**
 * Whether a container's labels say of another one what it is: the docker driver made it, whose image is a workspace's owner's
 * choice and brings labels of its own by which it could pass for somebody's runtime; or it was made of a runtime's image.
 */
function isOthers({ Name, Config }: Dockerode.ContainerInspectInfo): boolean {
  const { [SERVER_LABEL]: server, [WORKSPACE_LABEL]: workspace, [NAME_LABEL]: name } = Config.Labels ?? {};
  const own = Name.replace(/^\//, "");
  if (server !== undefined && workspace !== undefined && own === containerName(server, workspace)) return true;
  return name === undefined ? workspace !== undefined : name !== own;
}

/** The beginning of several ids names none of them; Docker calls it a failure of its own (500). */
function noneOfSeveral(error: unknown): null {
  if (statusOf(error) !== undefined && /multiple ids found/i.test(reasonOf(error))) return null;
  throw error;
}

/** A reference without tag means the latest, never all of them. */
function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf("/") + 1);
  return name.includes(":") || name.includes("@") ? image : `${image}:latest`;
}

/** Commands that somebody runs inside are events as well, and change nothing of the container. */
async function* happened(stream: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<string> {
  for await (const line of linesOf(stream, signal)) {
    const { Action = "", Actor, id } = JSON.parse(line) as { Action?: string; Actor?: { ID?: string }; id?: string };
    const about = Actor?.ID ?? id;
    if (about !== undefined && !Action.startsWith("exec")) yield about;
  }
}

/** A pull ends well or with a line that says why not; its HTTP status was 200 before it began. */
async function pulled(stream: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> {
  for await (const { failed } of pullLines(stream, signal)) if (failed !== null) throw new EngineRefusal(failed);
  signal.throwIfAborted();
}

function optionsOf(request: ContainerRequest, limited: boolean): Dockerode.ContainerCreateOptions {
  const { name, image, command, user, workingDir, environment, labels, ports, mounts, helper, restart, network } =
    request;
  return {
    name,
    Image: image,
    ...(command === undefined ? {} : { Cmd: [...command] }),
    ...(user === undefined ? {} : { User: user }),
    ...(workingDir === undefined ? {} : { WorkingDir: workingDir }),
    Env: [...environment],
    Labels: { ...labels, [NAME_LABEL]: name },
    ExposedPorts: Object.fromEntries(Object.keys(ports).map((port) => [port, {}])),
    HostConfig: {
      AutoRemove: request.autoRemove,
      // A rootless engine that was given no such limit would start nothing with it.
      ...(limited ? { PidsLimit: PROCESSES } : {}),
      PortBindings: Object.fromEntries(
        Object.entries(ports).map(([key, { ip, port }]) => [
          key,
          [{ HostIp: ip, HostPort: port === 0 ? "" : String(port) }],
        ]),
      ),
      Mounts: [
        ...mounts.map(({ source, target, readOnly }) => bindMount(source, target, readOnly)),
        ...(helper ? [volumeMount(helper.volume, helper.target, { readOnly: true, bare: true })] : []),
      ],
      ...(restart ? { RestartPolicy: { Name: restart.name, MaximumRetryCount: restart.attempts } } : {}),
      ...(network === undefined ? {} : { NetworkMode: network }),
      ...(request.runtime === undefined ? {} : { Runtime: request.runtime }),
    },
  };
}

function bindMount(Source: string, Target: string, ReadOnly: boolean): Dockerode.MountSettings {
  return { Type: "bind", Source, Target, ReadOnly };
}

/** Podman writes some states that Docker has no word for. */
const STATES: Readonly<Record<string, string>> = {
  configured: "created",
  initialized: "created",
  stopping: "running",
  stopped: "exited",
};

function inspected(one: Dockerode.ContainerInspectInfo): EngineContainer {
  const { State, Config } = one;
  return {
    id: one.Id,
    name: one.Name.replace(/^\//, ""),
    image: Config.Image,
    status: STATES[State.Status] ?? State.Status,
    created: one.Created,
    labels: Config.Labels ?? {},
    ports: (one.NetworkSettings?.Ports as EngineContainer["ports"] | undefined) ?? {},
    environment: Config.Env ?? [],
    exitCode: State.ExitCode,
    restarts: (one as { RestartCount?: number }).RestartCount ?? 0,
  };
}
