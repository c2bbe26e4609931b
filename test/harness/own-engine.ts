// An engine of a test's own, in a directory of its own, that may be killed and started again on the same data. It has the image
// BUSYBOX and no other.
import { execa } from "execa";
import { mkdtempSync, readFileSync } from "node:fs";
import path from "node:path";
import type { EngineKind } from "./engines.ts";
import { killForGood } from "./kill.ts";
import { ROOT } from "./program.ts";

export interface OwnEngine {
  /** As `--engine` takes it. */
  readonly address: string;
  readonly dir: string;
  /** Kills the engine itself; what becomes of its containers is the engine's affair. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on what it had. */
  start(): Promise<void>;
  /** Ends it and all that it has. */
  close(): Promise<void>;
}

export interface OwnEngineOptions {
  /** For dockerd, or for podman before `system service`. */
  readonly words?: readonly string[];
  /** Added to the engine's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one. Only of OWN_KINDS, and where the engines of RUNCODE_TEST_ENGINES are: in the body of `describeEngines`. */
export async function ownEngine(kind: EngineKind, { words = [], env = {} }: OwnEngineOptions = {}): Promise<OwnEngine> {
  const dir = mkdtempSync("/tmp/rce-");
  const script = path.join(ROOT, "scripts/engines.sh");
  const start = async (): Promise<void> => void (await execa(script, ["one", kind, dir, ...words], { env }));
  const close = async (): Promise<void> => void (await execa(script, ["down", dir]));
  await start().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    address: `unix://${dir}/${kind}/socket`,
    dir,
    kill: async () => await killForGood(Number(readFileSync(path.join(dir, kind, "pid"), "utf8"))),
    start,
    close,
  };
}
