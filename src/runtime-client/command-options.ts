// How the `runtime` commands let a person say which runtime API is meant.
import { createRuntimeClient, type RuntimeClient } from "./index.ts";

export const RUNTIME_OPTIONS = {
  runtimeBase: {
    kind: "string",
    placeholder: "URL",
    summary: "where the runtime API is (RUNCODE_RUNTIME_BASE; default http://127.0.0.1:8090)",
  },
} as const;

/** Takes the flag and the environment, whose RUNCODE_RUNTIME_KEY is the key; gives the client. */
export function runtimeClientOf(
  { runtimeBase }: { readonly runtimeBase: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): RuntimeClient {
  return createRuntimeClient({
    base: runtimeBase ?? (env["RUNCODE_RUNTIME_BASE"] || undefined),
    key: env["RUNCODE_RUNTIME_KEY"] || undefined,
  });
}
