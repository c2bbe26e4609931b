// Images: brought to the engine where they are missing.
import type { Readable } from "node:stream";
import { RuncodeError } from "../../../protocol/errors.ts";
import {
  engineError,
  ifThere,
  IMAGE_NAMES,
  isImageName,
  pullLines,
  statusOf,
  type Engine,
  type PullLine,
} from "../../engine/index.ts";

const SILENT_MS = 300_000;
/** An image has 127 layers at most, and a pull two or three phases. */
const MOST_LAYERS = 500;
const MOST_PHASES = 20;

export interface Image {
  /** The engine's own name of it, which no later pull changes the meaning of. */
  readonly id: string;
  /** `User` of its configuration; empty means root. */
  readonly user: string;
  /** Where it wants volumes of its own: what is there can be written to, whatever else is read-only. */
  readonly volumes: readonly string[];
}

/** Takes what a person wrote; gives it back. Throws RuncodeError `bad_request` for what no engine could take for an image. */
export function checkedImage(name: string): string {
  if (!isImageName(name))
    throw new RuncodeError("bad_request", `not the name of an image: ${JSON.stringify(name.slice(0, 300))}`, {
      hint: IMAGE_NAMES,
    });
  return name;
}

/** Finds an image on the engine, or has it pulled. Throws RuncodeError `not_found` when no registry gives it, `unavailable`. */
export async function ensureImage(
  engine: Engine,
  name: string,
  { signal, progress }: { signal?: AbortSignal | undefined; progress?: ((line: string) => void) | undefined },
): Promise<Image> {
  const known = await inspectImage(engine, name);
  if (known) return known;
  signal?.throwIfAborted();
  progress?.(`pulling ${name}`);
  await pull(engine, name, signal, progress);
  const pulled = await inspectImage(engine, name);
  if (!pulled) throw noImage(name, "the engine does not have it after the pull");
  return pulled;
}

async function inspectImage(engine: Engine, name: string): Promise<Image | null> {
  const found = await ifThere(engine.api.getImage(name).inspect()).catch((error: unknown) => {
    throw engineError(error, `image ${name}`, engine.endpoint);
  });
  if (!found) return null;
  const { User = "", Volumes } = (found.Config ?? {}) as { User?: string; Volumes?: Record<string, object> | null };
  return { id: found.Id, user: User, volumes: Object.keys(Volumes ?? {}) };
}

async function pull(
  engine: Engine,
  name: string,
  signal: AbortSignal | undefined,
  progress: ((line: string) => void) | undefined,
): Promise<void> {
  // Without a tag the engine would bring every one that there is.
  const tagged = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
  let failed: string | null = null;
  // Registries are slow, and so are disks; but an engine at work on a pull says something now and then.
  const idle = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => idle.abort(new DOMException("a silent pull", "TimeoutError")), SILENT_MS);
  };
  try {
    heard();
    const abortSignal = signal ? AbortSignal.any([signal, idle.signal]) : idle.signal;
    const stream = (await engine.api.pull(tagged, { abortSignal })) as Readable;
    const percentOf = percentages();
    for await (const line of pullLines(stream)) {
      heard();
      failed = line.failed ?? failed;
      const percent = percentOf(line);
      if (percent !== null)
        progress?.(`${line.status === "Extracting" ? "unpacking" : "pulling"} ${name}, ${percent} %`);
    }
  } catch (caught) {
    if (signal?.aborted) throw signal.reason;
    const error: unknown = idle.signal.aborted ? idle.signal.reason : caught;
    if (statusOf(error) === undefined) throw engineError(error, `pulling ${name}`, engine.endpoint);
    throw noImage(name, engineError(error, null).message);
  } finally {
    clearTimeout(timer);
  }
  signal?.throwIfAborted();
  // Both engines answer 200 before they know, and say what went wrong in a line of its own.
  if (failed !== null) throw noImage(name, failed);
}

/** Gives a function that takes each line; it gives how far the layers are that are in the same phase, null for a line that says nothing of it. */
function percentages(): (line: PullLine) => number | null {
  const phases = new Map<string, Map<string, { current: number; total: number }>>();
  return ({ status, id, progress }) => {
    if (!progress || !(progress.total > 0) || phases.size > MOST_PHASES) return null;
    const { current, total } = progress;
    const layers = phases.get(status) ?? new Map<string, { current: number; total: number }>();
    phases.set(status, layers);
    if (layers.size > MOST_LAYERS) return null;
    layers.set(id, { current: Math.min(current, total), total });
    const sum = (of: "current" | "total"): number => [...layers.values()].reduce((all, layer) => all + layer[of], 0);
    return Math.round((sum("current") / sum("total")) * 100);
  };
}

function noImage(name: string, why: string): RuncodeError {
  return new RuncodeError("not_found", `image ${name} cannot be had: ${why}`, {
    hint: "check its name, and that the engine may pull it (docker pull)",
  });
}
