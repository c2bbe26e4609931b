// What a command's handler is given, and the only way it reaches the world. Members that cost something are functions that
// load and build theirs on first use, in the order of what they depend on: settings → token → api → sessions.
import { commandsOf, type Command } from "./cli/define.ts";
import type { GlobalFlags } from "./cli/globals.ts";
import type { Output } from "./cli/output.ts";
import type { ControlPlane } from "./api/control-plane.ts";
import type { Sessions } from "./bundle/session.ts";
import type { Clock } from "./platform/clock.ts";
import type { Paths } from "./platform/paths.ts";
import type { Prompt } from "./platform/prompt.ts";
import type { Settings } from "./platform/settings.ts";
import type { Streams } from "./platform/streams.ts";
import type { TokenStore } from "./platform/tokens.ts";

export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Null on Windows. */
  readonly uid: number | null;
  readonly cwd: string;
  /** The argv that starts this very program: one word for the binary, two when run from source. */
  readonly self: readonly string[];
  readonly paths: Paths;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly flags: GlobalFlags;
  readonly out: Output;
  /** Aborted on SIGINT (`interrupted`), SIGTERM and SIGHUP (`terminated`), with that error as its reason. */
  readonly signal: AbortSignal;
  /**
   * Says that this command ends in good order after the first signal, however long that takes. A second one ends the
   * program at once; where `onSecond` is given it is called instead, and the third one ends it.
   */
  drains(onSecond?: () => void): void;
  /** Every command that help shows, by name: the whole tree, for completion. */
  commands(): Promise<readonly (readonly [name: string, command: Command<Context>])[]>;
  /** Takes words of a command line; gives the name of the command that they are, hidden ones and other names included, or null. */
  commandNamed(words: readonly string[]): string | null;
  /** Asks the person; throws `usage` where asking is not allowed. */
  prompt(): Promise<Prompt>;
  /** The active profile and its bases: flags, then environment, then the profile's file. Throws `insecure_base`, `config_invalid`. */
  settings(): Promise<Settings>;
  tokens(): Promise<TokenStore>;
  /** Throws `no_token` when there is none. */
  api(): Promise<ControlPlane>;
  /** The active control plane with a token that is not stored yet. Throws `unauthorized` when no header can hold it. */
  apiWith(token: string): Promise<ControlPlane>;
  sessions(): Promise<Sessions>;
  /** The container engines that this machine can reach, and whether they answer. */
  engines(): Promise<
    readonly { readonly url: string; readonly answers: boolean; readonly detail: string; readonly fix?: string }[]
  >;
  /** The same with nothing built yet: for a command that lives long, so that a login or another profile meanwhile counts. */
  anew(): Context;
}

export const defineCommand = commandsOf<Context>();
