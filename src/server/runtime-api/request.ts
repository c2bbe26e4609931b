// What a request of the public contract makes of a container. Everything that the engine is told is named here; what the
// caller could wish for beyond it (privileges, devices, the host's network) has no field.
import { randomBytes } from "node:crypto";
import { split } from "shlex";
import { RUNTIME_LABEL, type StartRuntimeRequest } from "../../protocol/runtime-api.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { checkLabels, checkName } from "./checks.ts";
import type { ContainerRequest } from "./engine.ts";
import type { VolumePolicy } from "./volumes.ts";

export interface RequestPolicy {
  readonly volumes: VolumePolicy;
  /** Where published ports listen; "" is every address. */
  readonly publishOn: string;
  /** What a container of this server carries beside RUNTIME_LABEL. */
  readonly ownLabels: Readonly<Record<string, string>>;
}

export const newRuntimeId = (): string => `runtime-${randomBytes(6).toString("hex")}`;

/** Two ports that are one; the message is the contract's own, without a prefix. */
export class DuplicatePort extends Error {
  override readonly name = "DuplicatePort";
}

/** Takes a valid request; gives the container. Throws DuplicatePort, and RuncodeError `bad_request` or `forbidden`. */
export async function containerFor(request: StartRuntimeRequest, policy: RequestPolicy): Promise<ContainerRequest> {
  const ports = portsOf(request.ports ?? [], policy.publishOn);
  const mounts = [];
  for (const { host_path, container_path, mode } of request.volumes ?? []) {
    const source = await policy.volumes.resolve(host_path);
    mounts.push({ source, target: container_path, readOnly: mode === "ro" });
  }
  const name = request.name ?? newRuntimeId();
  checkName(name);
  return {
    name,
    image: request.image,
    ...(request.command == null ? {} : { command: wordsOf(request.command) }),
    environment: environmentOf(request.environment ?? {}),
    labels: { ...labelsOf(name, request.labels ?? {}), ...policy.ownLabels },
    ports,
    mounts,
    autoRemove: request.auto_remove,
    ...(request.restart_policy && Object.keys(request.restart_policy).length > 0
      ? { restart: restartOf(request.restart_policy) }
      : {}),
    // An empty one is none, as it is for the original.
    ...(request.network == null || request.network === "" ? {} : { network: request.network }),
  };
}

export function portsOf(
  bindings: NonNullable<StartRuntimeRequest["ports"]>,
  ip: string,
): Record<string, { ip: string; port: number }> {
  const ports: Record<string, { ip: string; port: number }> = {};
  for (const { container_port, host_port, protocol } of bindings) {
    const key = `${container_port}/${protocol}`;
    if (Object.hasOwn(ports, key)) throw new DuplicatePort(`Duplicate port binding for ${key}`);
    ports[key] = { ip, port: host_port ?? 0 };
  }
  return ports;
}

/** One text is a line of words as a POSIX shell splits them; no shell reads it. */
export function wordsOf(command: string | readonly string[]): readonly string[] {
  if (typeof command !== "string") return command;
  try {
    return split(command);
  } catch (error) {
    throw new RuncodeError("bad_request", `command: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function environmentOf(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment).map(([name, value]) => {
    if (name === "" || name.includes("=")) {
      throw new RuncodeError("bad_request", `environment: ${JSON.stringify(name)} is no name of a variable`);
    }
    return `${name}=${value}`;
  });
}

/** The caller's own `openhands.runtime_id` wins, as it does in the original. */
function labelsOf(runtimeId: string, labels: Readonly<Record<string, string>>): Record<string, string> {
  checkLabels(labels);
  return { [RUNTIME_LABEL]: runtimeId, ...labels };
}

/** Docker's restart policy; the count is a number there and a text in this contract. */
function restartOf({ Name, MaximumRetryCount = "0" }: Readonly<Record<string, string>>): {
  name: string;
  attempts: number;
} {
  if (Name === undefined || !/^\d{1,9}$/.test(MaximumRetryCount)) {
    throw new RuncodeError("bad_request", "restart_policy takes Name, and a whole number as MaximumRetryCount");
  }
  return { name: Name, attempts: Number(MaximumRetryCount) };
}
