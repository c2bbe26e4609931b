// What an operator says of the engine and of the containers on it.
import type { Hardening } from "./container.ts";

export interface EngineOptions {
  /** As `--engine` says it; null searches. */
  readonly address: string | null;
  /** What a workspace is made from that names no image. */
  readonly image: string | null;
  /** A network of the engine's, or ISOLATED (container.ts). */
  readonly network: string;
  readonly hardening: Partial<Hardening>;
  /** How long the engine, or the helper in a container, may stay silent when it was asked for something; minutes when absent. */
  readonly answerMs?: number;
}
