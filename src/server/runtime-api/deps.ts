// What the runtime API is given.
import type { Clock } from "../../platform/clock.ts";
import type { RuntimeEngine } from "./engine.ts";
import type { Leftovers } from "./leftovers.ts";
import type { RequestPolicy } from "./request.ts";
import type { RuntimeListener } from "./runtimes.ts";

export interface RuntimeApiDeps {
  readonly engine: RuntimeEngine;
  readonly leftovers: Leftovers;
  readonly policy: RequestPolicy;
  readonly listener: RuntimeListener;
  /** What callers must send as `X-API-Key`; null lets everybody in who reaches the listener. */
  readonly key: string | null;
  /** Which `Host` headers are answered; null where the listener has names that we cannot know. */
  readonly hosts: ReadonlySet<string> | null;
  /** Which contract is served: the public one, or that of the hosted service. */
  readonly flavor: "public" | "hosted";
  /** Where callers reach what a runtime publishes: scheme and host, without a port. Only the hosted contract says it. */
  readonly publishedAt: string;
  readonly version: string;
  readonly clock: Clock;
  /** One line for the operator's log; it never holds a secret. */
  readonly log: (line: string) => void;
}

export interface RuntimeApiEnv {
  Bindings: {
    /** The peer's address; the listener fills it in. */
    readonly remote?: string;
    /** Called when the whole request is here, and its caller has to wait. */
    readonly received?: () => void;
  };
}
