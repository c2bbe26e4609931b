// The helper (inside/), started by the engine with a container's own rights.
import type Dockerode from "dockerode";
import { RuncodeError, type ErrorCode } from "../../../protocol/errors.ts";
import { selfArgv } from "../inside/helper.ts";
import { tellingNames } from "../inside/own-environment.ts";
import type { Transport } from "../remote/mux.ts";
import { connectNear, type Remote } from "../remote/near.ts";
import { attach } from "./attach.ts";

export interface HelperStart {
  /** What it is told on its command line. */
  readonly words: readonly string[];
  readonly env?: readonly string[];
  /** Takes the stream to it; gives what it goes on with (link.ts). The same when absent. */
  readonly choose?: ((stream: Transport) => Transport) | undefined;
  /** How long it may stay silent when it was asked for something; minutes when absent. */
  readonly answerMs?: number | undefined;
  /** What a person is told that it does not run in, and with which code. */
  readonly place: string;
  readonly otherwise: ErrorCode;
}

/**
 * Starts a helper in a container that runs. Throws RuncodeError `otherwise` where it does not greet or the container has ended,
 * `conflict` where it was paused behind our back, and what dockerode throws.
 */
export async function startHelper(container: Dockerode.Container, how: HelperStart): Promise<Remote> {
  const { words, env = [], choose = (stream) => stream, answerMs, place, otherwise } = how;
  let complaint = (): string => "";
  try {
    const attached = await attach(container, [...selfArgv(), "sandbox-agent", ...words], env);
    complaint = attached.complaint;
    const whySilent = async (): Promise<RuncodeError | null> => await whyFrozen(container);
    return await connectNear(choose(attached.transport), { answerMs, whySilent });
  } catch (cause) {
    const frozen = await whyFrozen(container).catch(() => null);
    if (frozen) throw frozen;
    const over = await whyOver(container, place).catch(() => null);
    if (over) throw new RuncodeError(otherwise, over.message, { hint: over.hint, cause });
    if (!(cause instanceof RuncodeError)) throw cause;
    const said = complaint() || "it said nothing";
    throw new RuncodeError(otherwise, `the helper does not run in the ${place}: ${said}`, { cause });
  }
}

/** Gives why nothing in a container answers that somebody has paused; null for one that is not. Throws what dockerode throws. */
async function whyFrozen(container: Dockerode.Container): Promise<RuncodeError | null> {
  const { State, Name } = await container.inspect();
  if (!State.Paused) return null;
  return new RuncodeError("conflict", "it was paused on the engine", {
    hint: `docker unpause ${Name.replace(/^\//, "")}, with podman likewise; or stop it and start it again`,
  });
}

/** Gives how a container ended, for one that was just started; null for one that runs. Throws what dockerode throws. */
async function whyOver(
  container: Dockerode.Container,
  place: string,
): Promise<{ message: string; hint?: string | undefined } | null> {
  const { State, Config } = await container.inspect();
  if (State.Running) return null;
  const telling = tellingNames(Config.Env ?? []);
  return {
    message: `the first process in the ${place} has ended with exit code ${State.ExitCode}`,
    hint: telling.length > 0 ? `choose an image that does not set ${telling.join(", ")}` : undefined,
  };
}
