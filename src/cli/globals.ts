// The flags that every command takes, before or after its name.
import type { Options } from "./define.ts";

export const GLOBAL_OPTIONS = {
  json: { kind: "flag", summary: "print one JSON document on stdout, failures included" },
  apiBase: { kind: "string", placeholder: "URL", summary: "control plane to talk to (RUNCODE_API_BASE)" },
  webBase: { kind: "string", placeholder: "URL", summary: "web app that belongs to it (RUNCODE_WEB_BASE)" },
  token: {
    kind: "string",
    placeholder: "TOKEN",
    summary: "API token for this call; RUNCODE_TOKEN keeps it out of the process list",
  },
  profile: { kind: "string", placeholder: "NAME", summary: "which saved login to use (RUNCODE_PROFILE)" },
  noInput: { kind: "flag", summary: "never ask: fail and say which flag to give (RUNCODE_NO_INPUT)" },
  debug: { kind: "flag", summary: "say more on stderr, with a stack for unexpected failures" },
  quiet: { kind: "flag", short: "q", summary: "no progress and no hints on stderr" },
  help: { kind: "flag", short: "h", summary: "show help" },
  version: { kind: "flag", short: "V", summary: "show the version" },
} as const satisfies Options;

export interface GlobalFlags {
  readonly json: boolean;
  readonly apiBase: string | undefined;
  readonly webBase: string | undefined;
  readonly token: string | undefined;
  readonly profile: string | undefined;
  readonly noInput: boolean;
  readonly debug: boolean;
  readonly quiet: boolean;
  readonly help: boolean;
  readonly version: boolean;
}
