// The flag of every command that acts on the attached workspace unless it is told otherwise.
import type { Option } from "./define.ts";

export const ANOTHER_WORKSPACE = {
  kind: "string",
  short: "w",
  placeholder: "WS",
  summary: "another workspace than the attached one",
} as const satisfies Option;
