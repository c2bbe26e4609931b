// What a call gives back. A failure is a result as well, since the model has to read it: the error object of `--json`, in
// text alone, because structured content must be what the tool's output schema says.
import type { CallToolResult } from "@modelcontextprotocol/server";
import { RuncodeError } from "../protocol/errors.ts";
import { printableLines } from "../protocol/text.ts";
import type { Answer } from "./tool.ts";
import { inToolWords } from "./tool-words.ts";

/** A failure with something that the model should see beside the error: what a command had printed before it was ended. */
export class Failure extends Error {
  readonly beside: string;

  constructor(cause: unknown, beside: string) {
    super("failed", { cause });
    this.beside = beside;
  }
}

export function success({ structured, text }: Answer<unknown>): CallToolResult {
  return {
    content: [{ type: "text", text: text ?? JSON.stringify(structured) }],
    structuredContent: structured as Record<string, unknown>,
  };
}

export function failure(thrown: unknown): CallToolResult {
  const beside = thrown instanceof Failure && thrown.beside !== "" ? [thrown.beside] : [];
  const texts = [JSON.stringify(errorOf(thrown instanceof Failure ? thrown.cause : thrown)), ...beside];
  return { isError: true, content: texts.map((text) => ({ type: "text", text: printableLines(text) })) };
}

/** Gives the error as a model reads it. Anything that is no RuncodeError is a defect of ours. */
export function errorOf(thrown: unknown): RuncodeError {
  if (thrown instanceof RuncodeError) return inToolWords(thrown);
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return new RuncodeError("error", `unexpected: ${said}`, { cause: thrown });
}
