// Which engines answer, for people who look for what is wrong.
import { RuncodeError } from "../../protocol/errors.ts";
import { howFound, usualEndpoints, type Surroundings } from "./endpoint.ts";
import { findEngine } from "./index.ts";

export interface EngineAnswer {
  readonly url: string;
  readonly answers: boolean;
  /** One line: what it is and how it was found, or what is wrong with it. */
  readonly detail: string;
  /** What to do where it does not answer. */
  readonly fix?: string;
}

const PATIENCE_MS = 3000;

/**
 * Asks the engine that would be used and those in the usual places. Gives an empty list where there is none of either. Never
 * throws: an address that is none is an engine that does not answer.
 */
export async function surveyEngines(asked: string | null, where: Surroundings): Promise<readonly EngineAnswer[]> {
  const places = [asked, ...(await usualEndpoints(where)).map(({ url }) => url)];
  const answers = await Promise.all(places.map(async (place) => await ask(place, where)));
  const seen = new Set<string>();
  return answers.filter((answer) => answer !== null && !seen.has(answer.url) && seen.add(answer.url)) as EngineAnswer[];
}

async function ask(place: string | null, where: Surroundings): Promise<EngineAnswer | null> {
  try {
    const engine = await findEngine(place, where);
    const { url } = engine.endpoint;
    try {
      const { kind, version, os, architecture } = await engine.facts(PATIENCE_MS);
      const how = place === null ? ` (${howFound(engine.endpoint)})` : "";
      return { url, answers: true, detail: `${kind} ${version}, ${os}/${architecture}, at ${url}${how}` };
    } catch (error) {
      return { url, ...unwell(error) };
    } finally {
      await engine.close();
    }
  } catch (error) {
    // Nothing was named and nothing was found: there is no engine to speak of.
    if (place === null && error instanceof RuncodeError && error.code === "unavailable") return null;
    return { url: place ?? "", ...unwell(error) };
  }
}

function unwell(error: unknown): Omit<EngineAnswer, "url"> {
  const fix = error instanceof RuncodeError ? error.hint : undefined;
  return { answers: false, detail: (error as Error).message, ...(fix === undefined ? {} : { fix }) };
}
