// What a workspace's container may do. This is the whole of it: nothing here comes from a user of the server but the image's
// name, the flavor's limits and labels that mean nothing, and an image's own configuration cannot ask for more than it finds.
import type Dockerode from "dockerode";
import type { DriverHealth, Limits } from "../driver.ts";
import { HELPER_DIR, selfArgv } from "../inside/helper.ts";
import { LINK_DIR } from "../remote/link.ts";

/** The operator's settings; each can only take something away. */
export interface Hardening {
  /** Subset of CAPABILITIES that an image's root keeps. */
  readonly capabilities: readonly string[];
  /** Whether everything but the home, /tmp and /run is read-only. */
  readonly readOnlyRoot: boolean;
  /** A seccomp profile in place of the engine's own: its text, for Docker, and its file, which Podman reads itself. */
  readonly seccomp: { readonly file: string; readonly text: string } | null;
  /** The engine's name of what runs its containers, such as runsc; null is its default. Podman would not heed it. */
  readonly runtime: string | null;
}

/**
 * What root needs to install packages, to change owners and users, and to listen on port 80. Left out of Docker's own list:
 * MKNOD, NET_RAW, SETFCAP, SETPCAP, AUDIT_WRITE, SYS_CHROOT.
 */
export const CAPABILITIES = [
  ...["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL"],
  ...["NET_BIND_SERVICE", "SETGID", "SETUID"],
] as const;

/** The network that is none by name: one on which no workspace reaches another (network.ts). */
export const ISOLATED = "isolated";

/** A fork bomb stays in its container, whatever the flavor says. */
const MOST_PROCESSES = 4096;
/** The threads of the first process and of the helper, which count as well: without them neither can live. */
const OWN_PROCESSES = 64;

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly hardening: Hardening;
  readonly kind: "docker" | "podman";
  /** What the engine can enforce; it is asked for no other limit, with which some would start nothing. */
  readonly enforces: DriverHealth["enforces"];
  readonly network: string;
  /** Whether its processes are root to begin with. */
  readonly root: boolean;
  readonly home: string;
  readonly homeVolume: string;
  /** `UsernsMode`; empty is as the engine has it (homes.ts). */
  readonly users: string;
  readonly helperVolume: string;
  /** The workspace's directory of link.ts on the engine's machine; null goes without. */
  readonly link: string | null;
}

/**
 * Takes a volume's name and where it is inside; gives the mount. A `bare` one is not filled by the engine with what the image has
 * at that place: in a volume that containers share that would be one image's files in all of them. `labels` are for a volume that
 * the engine has to make.
 */
export function volumeMount(
  Source: string,
  Target: string,
  how: { readOnly?: boolean; bare?: boolean; labels?: Readonly<Record<string, string>> } = {},
): Dockerode.MountSettings {
  const VolumeOptions = {
    NoCopy: how.bare === true,
    Labels: { ...how.labels },
  } as Dockerode.MountSettings["VolumeOptions"];
  return { Type: "volume", Source, Target, ReadOnly: how.readOnly === true, VolumeOptions };
}

/** Takes all that is known of a container; gives what the engine is asked for. */
export function containerOptions(spec: ContainerSpec): Dockerode.ContainerCreateOptions {
  const { hardening } = spec;
  return {
    name: spec.name,
    Image: spec.image,
    Hostname: spec.hostname,
    Labels: { ...spec.labels },
    Entrypoint: [...selfArgv(), "sandbox-hold"],
    Cmd: [],
    Env: [`HOME=${spec.home}`],
    WorkingDir: "/",
    StopSignal: "SIGTERM",
    // An image's own health check would run its command inside for ever.
    Healthcheck: { Test: ["NONE"] } as Dockerode.HealthConfig,
    OpenStdin: false,
    Tty: false,
    HostConfig: {
      Privileged: false,
      CapDrop: ["ALL"],
      // Podman gives what is named here to an ordinary user as well, who has none otherwise and can gain none.
      CapAdd: spec.root ? [...hardening.capabilities] : [],
      SecurityOpt: ["no-new-privileges", ...seccomp(spec)],
      ...(hardening.runtime === null ? {} : { Runtime: hardening.runtime }),
      ReadonlyRootfs: hardening.readOnlyRoot,
      ...(hardening.readOnlyRoot
        ? { Tmpfs: { "/tmp": "rw,nosuid,nodev,mode=1777", "/run": "rw,nosuid,nodev,mode=755" } }
        : {}),
      Mounts: [
        // One that is not there any more, for a request that comes late, is made by the engine: whose it is must be seen then, too.
        volumeMount(spec.homeVolume, spec.home, { labels: spec.labels }),
        volumeMount(spec.helperVolume, HELPER_DIR, { readOnly: true, bare: true }),
        ...(spec.link === null ? [] : [{ Type: "bind" as const, Source: spec.link, Target: LINK_DIR, ReadOnly: true }]),
      ],
      NetworkMode: spec.network,
      UsernsMode: spec.users,
      IpcMode: "private",
      ...limitsOf(spec),
      RestartPolicy: { Name: "no" },
      AutoRemove: false,
      // Its first process says nothing, and what others say goes to those who started them.
      LogConfig: { Type: "none", Config: {} },
    },
  };
}

function limitsOf({ limits, enforces }: ContainerSpec): Dockerode.HostConfig {
  const { processes = MOST_PROCESSES, memoryBytes, cpus, gpus = 0 } = limits;
  return {
    ...(enforces.processes ? { PidsLimit: Math.min(processes, MOST_PROCESSES) + OWN_PROCESSES } : {}),
    // Memory and swap together: a limit that swap gets around is none.
    ...(memoryBytes !== undefined && enforces.memory ? { Memory: memoryBytes, MemorySwap: memoryBytes } : {}),
    ...(cpus !== undefined && enforces.cpus ? { NanoCpus: Math.round(cpus * 1e9) } : {}),
    ...(gpus === 0 ? {} : { DeviceRequests: [{ Count: gpus, Capabilities: [["gpu"]] }] }),
  };
}

function seccomp({ kind, hardening: { seccomp } }: ContainerSpec): string[] {
  return seccomp === null ? [] : [`seccomp=${kind === "podman" ? seccomp.file : seccomp.text}`];
}
