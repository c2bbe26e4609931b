// A sandbox is where a workspace's processes live; a driver is a way of making one. Everything the server asks of an
// engine is in these interfaces, and test/conformance holds each driver to the same suite. They are written for an engine
// that is far away and slow as well (Docker, Kubernetes): starting is asynchronous and reports progress, a process is a
// set of streams, and nothing assumes a file path of this machine.
import type { Duplex, Readable, Writable } from "node:stream";

/** What a sandbox may use at most; absent means as much as the machine gives. */
export interface Limits {
  readonly memoryBytes?: number;
  readonly processes?: number;
  /** In CPUs: 0.5 is half of one. */
  readonly cpus?: number;
  /** Whole ones; -1 is all that there are. Only the docker driver has any to give. */
  readonly gpus?: number;
}

/** All that a driver is told of a workspace. `id` is never used twice on one server. */
export interface SandboxSpec {
  readonly id: number;
  readonly title: string;
  readonly image: string | null;
  readonly limits: Limits;
  /** What runs in it from its start; a text is a shell line. For startWorkspace (workspace.ts), not for drivers. */
  readonly command?: string | readonly string[];
  /** Of every process in it. For startWorkspace (workspace.ts), not for drivers. Values may be secrets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A person's notes, for an engine that has a place for them. None of them is one that this server goes by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The engine's id of a container that was there before the workspace; absent where the driver makes its own. */
  readonly container?: string;
}

export interface DriverHealth {
  readonly ok: boolean;
  /** One line for a person: the version and shape of the engine, or what is wrong with it. */
  readonly detail: string;
  /** What to do when it is not ok. */
  readonly fix?: string;
  /** Which limits this machine lets the driver enforce; what is missing is said aloud at start-up. */
  readonly enforces: { readonly memory: boolean; readonly processes: boolean; readonly cpus: boolean };
  /** How many CPUs there are, where a flavor of more than that gives only those. */
  readonly cpus?: number;
  /** What its users would otherwise find out one by one; each is a line for the operator. */
  readonly notes?: readonly string[];
}

export interface StartOptions {
  readonly signal?: AbortSignal;
  /** One line for the person who waits: "pulling python:3.13, 40 %". */
  readonly progress?: (line: string) => void;
}

export interface Driver {
  readonly name: string;
  /** `none` means that a process in the sandbox can do all that the server's own user can. */
  readonly isolation: "none" | "namespaces" | "container";
  /** Its sandboxes are somebody else's as well: they go on when the server ends, and `recover` finds them again. */
  readonly outlivesServer?: true;
  probe(): Promise<DriverHealth>;
  /**
   * Makes what outlives stop and start: home and project directory. Idempotent. Throws `conflict` where there is such a thing
   * already that is another workspace's.
   */
  create(spec: SandboxSpec): Promise<void>;
  /**
   * Resolves when processes can be started in it; throws RuncodeError `start_failed`, leaving nothing running. A home that was made
   * and is gone is such an error: none takes its place.
   */
  start(spec: SandboxSpec, options?: StartOptions): Promise<Sandbox>;
  /**
   * After a crash of the server: ends what a former life left running of this workspace, or gives it back still alive
   * where the engine keeps sandboxes of its own.
   */
  recover(spec: SandboxSpec): Promise<Sandbox | null>;
  /**
   * At the server's start, before any recovery: removes what it has left of workspaces that are none any more, but for their
   * files; gives what it leaves, in lines for the operator. `isKnown` is asked of each find at the time it is found, since
   * workspaces are made meanwhile.
   */
  reconcile?(isKnown: (id: number) => boolean): Promise<readonly string[]>;
  /** Removes every trace of the workspace, its files included; it is stopped by then. Idempotent. */
  delete(spec: SandboxSpec): Promise<void>;
  /** Lets go of what the driver itself holds open; sandboxes were stopped before. */
  close(): Promise<void>;
}

export interface PtyRequest {
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
}

export interface ExecRequest {
  /** A shell line for the workspace's own shell, `null` for an interactive login shell, or an argv that is run as it is. */
  readonly command: string | null | readonly string[];
  readonly pty?: PtyRequest;
  /** Added to the sandbox's own environment. The caller has allow-listed the names. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute, inside the sandbox; the home directory when absent (as sshd does it). */
  readonly cwd?: string;
}

/** How a process ended: with a code, or by a signal (its name without SIG, as RFC 4254 §6.10 wants it). */
export type ProcessExit = { readonly code: number } | { readonly signal: string; readonly coreDumped: boolean };

export interface SandboxProcess {
  /** Ending it is end-of-file for the process. */
  readonly stdin: Writable;
  /** Whether stdin has written, or copied, what it called back for: the memory may then be used for something else. */
  readonly stdinKeepsNothing?: boolean;
  readonly stdout: Readable;
  /** Null with a pty, where there is one stream. */
  readonly stderr: Readable | null;
  /** Settles once the process itself ended; its output may still be on the way in the streams. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  resize(columns: number, rows: number): void;
  /** To the process and its children, as a terminal would send it. Name without SIG; an unknown one is ignored. */
  signal(name: string): void;
  /** Ends the process and its process group for certain, and frees the streams. Idempotent. */
  kill(): void;
}

/** Where a forward leads, as seen from inside the sandbox. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** Told of each connection to a listener, and where it comes from. */
export type OnConnection = (connection: Duplex, from: { host: string; port: number }) => void;

/** Why a sandbox is gone. `output` is the last that its command wrote: for its owner, and not for the server's log. */
export interface Ending {
  readonly reason: string;
  readonly output?: string;
}

/** A listener inside the sandbox, for -R. */
export interface SandboxListener {
  /** The port that was bound; 0 for a Unix socket. */
  readonly port: number;
  close(): Promise<void>;
}

export interface Sandbox {
  readonly home: string;
  /** The project directory: absolute, made of [A-Za-z0-9._@+/-]. */
  readonly workdir: string;
  /** The account name that processes see. */
  readonly user: string;
  /** Settles when the sandbox is gone for whatever reason; never rejects. */
  readonly ended: Promise<Ending>;
  exec(request: ExecRequest): Promise<SandboxProcess>;
  /** Serves SFTP (the protocol's bytes on stdin and stdout) with the sandbox's own rights over files. */
  sftp(): Promise<SandboxProcess>;
  /** Throws RuncodeError `network` when nobody answers there. */
  dial(target: Target): Promise<Duplex>;
  /** Throws RuncodeError `conflict` when the address is taken. */
  listen(target: Target, onConnection: OnConnection): Promise<SandboxListener>;
  /** Freezes and thaws every process in it. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends every process in it, orphans too: politely first, for certain after `graceMs`. Idempotent. */
  stop(options?: { graceMs?: number }): Promise<void>;
}
