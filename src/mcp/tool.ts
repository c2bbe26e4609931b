// What a tool is: its name, its schemas, what it does to the world, and a function of its arguments and of the call.
import type * as v from "valibot";
import type { TargetDeps } from "../bundle/target.ts";
import type { Session } from "../bundle/session.ts";
import type { Clock } from "../platform/clock.ts";
import type { Paths } from "../platform/paths.ts";
import type { Commands } from "./commands.ts";
import type { LocalPaths } from "./local-paths.ts";

/** What the server needs of the program; a command's context is one of these. */
export interface McpDeps extends TargetDeps {
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly paths: Paths;
  /** The same with nothing built yet: each call sees the logins, profiles and sessions of its own moment. */
  anew(): TargetDeps;
}

/** A progress notification, where the client asked for them: what is going on, and how far it is where that is a number. */
export type Report = (message: string, done?: number, total?: number) => void;

/** One call of a tool. */
export interface Call extends TargetDeps {
  readonly clock: Clock;
  /** Aborted when the client cancels the call or goes away, with RuncodeError `interrupted` as its reason. */
  readonly signal: AbortSignal;
  /** Aborted when there is no time left to be polite to a remote command. */
  readonly hurry: AbortSignal;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly paths: Paths;
  readonly report: Report;
  /** The commands that went on when their call had returned. */
  readonly commands: Commands;
  /** Which files of this machine a tool may touch; only for a tool that says `local`. */
  readonly local: LocalPaths;
  /** What `workspace` names; without a name what this server connected, else the attached one. Gives a session that is valid for a while. */
  session(workspace: string | undefined): Promise<Session>;
  /** The workspace that calls without a name act on from now on; null for the attached one again. */
  actOn(workspaceId: number | null): void;
  /** One after another, for what has the same key. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** That workspace's id, or null where this server connected none. */
  readonly actsOn: number | null;
}

export interface Answer<O> {
  /** As the tool's output schema has it. */
  readonly structured: O;
  /** What a model or a person reads of it; without it the same as JSON. */
  readonly text?: string;
}

/** The hints of the protocol, all of them said: a client that is told nothing assumes the worst. */
export interface Annotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

type ObjectSchema = v.GenericSchema<Record<string, unknown>, Record<string, unknown>>;

export interface ToolSpec<I extends v.GenericSchema, O extends v.GenericSchema> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly annotations: Annotations;
  readonly input: I;
  /** An object: older clients know no other kind. */
  readonly output: O;
  /** It reads or writes files of this machine, so the client is asked for its roots first. */
  readonly local?: true;
  run(args: v.InferOutput<I>, call: Call): Promise<Answer<v.InferOutput<O>>>;
}

/** A tool with its types forgotten, as the server handles it. */
export type Tool = ToolSpec<ObjectSchema, ObjectSchema>;

export function defineTool<I extends v.GenericSchema, O extends v.GenericSchema>(spec: ToolSpec<I, O>): Tool {
  return spec as unknown as Tool;
}

/** It looks and changes nothing. */
export const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
/** It changes something, but what is there stays; doing it twice is doing it once. */
export const ADDS = { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false };
/** It may replace what is there; doing it twice is doing it once. */
export const REPLACES = { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false };
