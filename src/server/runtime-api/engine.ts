// What the runtime API asks of a container engine. docker-engine.ts asks it of one that speaks the Docker Engine API.

/** A container as the engine tells of it, whether it runs or not. */
export interface EngineContainer {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** The reference it was made from. */
  readonly image: string;
  /** `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`. */
  readonly status: string;
  /** RFC 3339, with whatever fraction and offset the engine writes. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Port and protocol → where it is published; null where the image exposes it and nobody publishes it. */
  readonly ports: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>>;
  readonly environment: readonly string[];
  readonly exitCode: number;
  readonly restarts: number;
}

export interface EngineNetwork {
  readonly name: string;
  /** `bridge`, `host`, … */
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A container to be made. What the caller may not choose is not in it. */
export interface ContainerRequest {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly environment: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Port and protocol → where to publish it; port 0 is one that the engine takes. */
  readonly ports: Readonly<Record<string, { readonly ip: string; readonly port: number }>>;
  /** Absolute paths of the engine's machine, without a symbolic link in them. */
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
  /** A volume of the engine's, mounted read-only: what a workspace over the container needs. */
  readonly helper?: { readonly volume: string; readonly target: string };
  readonly autoRemove: boolean;
  readonly restart?: { readonly name: string; readonly attempts: number };
  readonly network?: string;
  /** The OCI runtime that is to run it; the engine's own where it is absent. */
  readonly runtime?: string;
}

/** The engine understood and does not do it. The message is the engine's own, for the caller. */
export class EngineRefusal extends Error {
  override readonly name = "EngineRefusal";
}

/** Every method throws EngineRefusal for a no, and RuncodeError `unavailable` where no engine answers. */
export interface RuntimeEngine {
  /** Gives whether the engine has that image. */
  hasImage(image: string): Promise<boolean>;
  /** Fetches an image from its registry. An aborted signal gives it up. */
  pull(image: string, signal: AbortSignal): Promise<void>;
  /** Gives the id of a container that is made and not started. */
  create(request: ContainerRequest): Promise<string>;
  start(id: string): Promise<void>;
  stop(id: string, graceSeconds: number): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** Ends and removes it, with the anonymous volumes that were made for it. Idempotent. */
  remove(id: string): Promise<void>;
  /** Takes a full id, the beginning of one, or a name; null when there is none, or several begin so. */
  find(ref: string): Promise<EngineContainer | null>;
  /** All that have the label, running or not, newest first. Without a value, whatever its value is. */
  labelled(label: string, value?: string): Promise<readonly EngineContainer[]>;
  /** The ids of containers with that label to which something happened, as it happens. Ends with the signal, or with the engine. */
  events(label: string, value: string, signal: AbortSignal): Promise<AsyncIterable<string>>;
  /** Takes a network's name or id; null when there is none. */
  network(name: string): Promise<EngineNetwork | null>;
}
