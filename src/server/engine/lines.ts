// Answers of an engine that go on: a JSON object on each line, for as long as there is something to say.
import * as v from "valibot";
import { said } from "./errors.ts";

/** A longer line is none of an engine's; it is left out. In characters. */
const LONGEST_LINE = 1024 * 1024;

/** The lines of an answer, until it ends or the signal says that nobody listens any more. */
export async function* linesOf(stream: NodeJS.ReadableStream, signal?: AbortSignal): AsyncGenerator<string> {
  const end = (): void => {
    (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
  };
  signal?.addEventListener("abort", end, { once: true });
  try {
    let rest = "";
    let tooLong = false;
    for await (const chunk of stream) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!tooLong && line.trim() !== "") yield line;
        tooLong = false;
      }
      if (rest.length <= LONGEST_LINE) continue;
      tooLong = true;
      rest = "";
    }
    if (!tooLong && rest.trim() !== "") yield rest;
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

const Line = v.object({
  status: v.fallback(v.string(), ""),
  id: v.fallback(v.string(), ""),
  error: v.optional(v.unknown()),
  errorDetail: v.fallback(v.optional(v.object({ message: v.optional(v.unknown()) })), undefined),
  progressDetail: v.fallback(v.optional(v.object({ current: v.number(), total: v.number() })), undefined),
});

export interface PullLine {
  readonly status: string;
  /** Of a layer. */
  readonly id: string;
  /** In bytes, where it is told; null where not. */
  readonly progress: { readonly current: number; readonly total: number } | null;
  /** Why there will be no image, as `said` gives it; the HTTP status was 200 before the engine knew. */
  readonly failed: string | null;
}

/** What an engine says of a pull. Lines that are nothing of the kind say nothing. */
export async function* pullLines(stream: NodeJS.ReadableStream, signal?: AbortSignal): AsyncGenerator<PullLine> {
  for await (const line of linesOf(stream, signal)) {
    const { status, id, error, errorDetail, progressDetail } = v.parse(v.fallback(Line, NOTHING), parsed(line));
    const why = errorDetail?.message ?? error;
    yield {
      status,
      id,
      progress: progressDetail ?? null,
      failed: why == null ? null : said(why) || "it gave no reason",
    };
  }
}

const NOTHING = { status: "", id: "" };

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return null;
  }
}
