// Container engines: whatever speaks the Docker Engine API, Docker and Podman alike. endpoint.ts finds one as Docker's own
// command line would (DOCKER_HOST, the context, the usual sockets), ssh.ts reaches one behind `ssh://`, errors.ts says in our
// words what it answers, and what of its own words a person may read. Requests go through dockerode; drivers and the runtime API both stand on what is here.
import type Dockerode from "dockerode";
import { keepOutOfUrls } from "./bodies.ts";
import { createClient } from "./client.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { resolveEndpoint, usualEndpoints, type Endpoint } from "./endpoint.ts";
import { engineError, said } from "./errors.ts";
import { givePatience } from "./patience.ts";
import { openTunnel } from "./ssh.ts";
import { traitsOf, type EngineTraits } from "./traits.ts";

export { howFound, resolveEndpoint, type Endpoint, type Surroundings } from "./endpoint.ts";
export { IMAGE_NAMES, isImageName } from "./image-name.ts";
export { engineError, ifThere, isMissing, reasonOf, said, statusOf } from "./errors.ts";
export { linesOf, pullLines, type PullLine } from "./lines.ts";
export type { EngineTraits } from "./traits.ts";

export interface EngineFacts {
  readonly kind: "docker" | "podman";
  readonly version: string;
  /** As the engine names it, such as `amd64`. */
  readonly architecture: string;
  readonly os: string;
}

export interface Engine {
  readonly endpoint: Endpoint;
  readonly api: Dockerode;
  /** Asks who answers. Throws RuncodeError `unavailable` when nobody does within `timeoutMs`. */
  facts(timeoutMs?: number): Promise<EngineFacts>;
  /** Which it is, asked once. Throws RuncodeError `unavailable`. */
  kind(): Promise<EngineFacts["kind"]>;
  /** What it can do, asked once. Throws RuncodeError `unavailable`, and what dockerode throws. */
  traits(): Promise<EngineTraits>;
  /** Lets go of what was opened to reach it; requests that are under way end. */
  close(): Promise<void>;
}

/** How long an engine may take to say who it is. A busy one answers late, a dead one never. */
const FACTS_MS = 10_000;

/** The longest that an engine may work on a request without a sign of life: many are asked for much at once. */
const ANSWER_MS = 120_000;

/**
 * Takes where an engine is, and how long a request may stay unanswered (patience.ts says what that is); gives the client, which
 * has asked nothing yet. Throws RuncodeError `unavailable`.
 */
export async function openEngine(endpoint: Endpoint, answerMs = ANSWER_MS): Promise<Engine> {
  const tunnel = endpoint.kind === "ssh" ? await openTunnel(endpoint) : null;
  const api = createClient(endpoint, tunnel?.socketPath);
  keepOutOfUrls(api);
  givePatience(api, answerMs, () => tunnel?.trouble() ?? null);
  let known: Promise<EngineFacts["kind"]> | undefined;
  const facts = async (timeoutMs = FACTS_MS): Promise<EngineFacts> => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const { Version, Arch, Os, Components } = await version(api, signal);
      const podman = Array.isArray(Components) && Components.some((part) => /podman/i.test(said(part?.Name)));
      return {
        kind: podman ? "podman" : "docker",
        version: said(Version).slice(0, LONGEST_FACT),
        architecture: said(Arch).slice(0, LONGEST_FACT),
        os: said(Os).slice(0, LONGEST_FACT),
      };
    } catch (error) {
      throw engineError(error, null, endpoint);
    }
  };
  const kind = async (): Promise<EngineFacts["kind"]> => {
    known ??= facts(answerMs).then((all) => all.kind);
    known.catch(() => (known = undefined));
    return await known;
  };
  let told: Promise<EngineTraits> | undefined;
  return {
    endpoint,
    api,
    facts,
    kind,
    traits: async () => {
      told ??= kind().then(async (of) => await traitsOf(api, of));
      told.catch(() => (told = undefined));
      return await told;
    },
    close: async () => await tunnel?.close(),
  };
}

/**
 * Opens the engine that was asked for, or that the environment names; that one is asked nothing yet. Where neither names one, it
 * is the first of the usual sockets that answers. Throws what `resolveEndpoint` throws, and RuncodeError `unavailable`.
 */
export async function findEngine(
  asked: Parameters<typeof resolveEndpoint>[0],
  where: Parameters<typeof resolveEndpoint>[1],
  answerMs = ANSWER_MS,
): Promise<Engine> {
  const named = await resolveEndpoint(asked, where);
  return named ? await openEngine(named, answerMs) : await firstThatAnswers(await usualEndpoints(where), answerMs);
}

/** A socket may be there long after its engine, or be another account's. All are asked at once; the order decides among those that answer. */
async function firstThatAnswers(endpoints: readonly Endpoint[], answerMs: number): Promise<Engine> {
  const all = endpoints.map(async (endpoint) => {
    const engine = await openEngine(endpoint, answerMs);
    const facts = engine.facts(Math.min(FACTS_MS, answerMs));
    return {
      engine,
      wrong: await facts.then(
        () => null,
        (error: unknown) => engineError(error, null, endpoint),
      ),
    };
  });
  const wrongs: RuncodeError[] = [];
  for (const each of all) {
    const { engine, wrong } = await each;
    if (wrong) wrongs.push(wrong);
    else return { ...engine, endpoint: { ...engine.endpoint, passedOver: wrongs.map(({ message }) => message) } };
  }
  const [only] = wrongs;
  if (only && wrongs.length === 1) throw only;
  const where = "DOCKER_HOST is not set, there is no Docker context, and";
  throw new RuncodeError(
    "unavailable",
    only
      ? `no container engine answers: ${where} of the usual sockets, ${wrongs.map(({ message }) => message).join(", ")}`
      : `no container engine was found: ${where} no socket in the usual places`,
    { hint: "start Docker or Podman (systemctl start podman.socket), or name one with --engine", cause: only },
  );
}

/** Longer than any version that there is, and short enough for a line of four of them. */
const LONGEST_FACT = 100;

/** As an engine answers that keeps to its own API. */
type Version = { readonly [member in "Version" | "Arch" | "Os" | "Components"]?: unknown };

/** dockerode has no signal for this request, and one without waits for ever on an engine that hangs. */
async function version(api: Dockerode, abortSignal: AbortSignal): Promise<Version> {
  return await new Promise((resolve, reject) => {
    const request = { path: "/version", method: "GET", abortSignal, statusCodes: { 200: true } };
    (api.modem as { dial(request: object, done: (error: unknown, answer: Version) => void): void }).dial(
      request,
      (error, answer) => (error ? reject(error as Error) : resolve(answer)),
    );
  });
}
