// The helper (inside/), started by the engine with a container's own rights.
import type Dockerode from "dockerode";
import { RuncodeError, type ErrorCode } from "../../../protocol/errors.ts";
import { selfArgv } from "../inside/helper.ts";
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

/** Starts a helper in a container that runs. Throws RuncodeError `otherwise` where it does not greet, and what dockerode throws. */
export async function startHelper(container: Dockerode.Container, how: HelperStart): Promise<Remote> {
  const { words, env = [], choose = (stream) => stream, answerMs, place, otherwise } = how;
  const { transport, complaint } = await attach(container, [...selfArgv(), "sandbox-agent", ...words], env);
  return await connectNear(choose(transport), answerMs).catch((cause: unknown) => {
    const said = complaint() || "it said nothing";
    throw new RuncodeError(otherwise, `the helper does not run in the ${place}: ${said}`, { cause });
  });
}
