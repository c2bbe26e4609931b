// The other contract of that name: the one by which OpenHands speaks to its hosted runtimes. A runtime belongs to a session
// there, and is reached at an address of its own with a key of its own.
import * as v from "valibot";
import { command, field, filled, integer, strings, text } from "./runtime-api.ts";

/** Where the agent's server listens in a runtime; the rest are an editor and two addresses for what is being built. */
export const AGENT_PORT = 60_000;
export const WORK_PORTS = [12_000, 12_001] as const;
export const HOSTED_PORTS = [AGENT_PORT, 60_001, ...WORK_PORTS] as const;

/** `POST /start`. What it does not name is ignored; so is `resource_factor`. */
export const HostedStartRequest = v.object(
  {
    image: field(filled, "What it is made of. It is pulled when the engine does not have it."),
    session_id: field(
      filled,
      "Whose it is. A session has one runtime: asked again, that one is answered, and started where it has ended.",
    ),
    command: field(
      command,
      "In place of the image's own command. A text is split into words as a shell would, and read by none.",
    ),
    working_dir: field(v.nullish(text), "Where the command begins; the image's own directory where it is not said."),
    environment: field(
      v.nullish(strings),
      "Variables for its processes, beside SESSION_API_KEY and OH_SESSION_API_KEYS_0.",
    ),
    run_as_user: field(v.nullish(integer(0)), "The number of the account in it; the image's own where it is not said."),
    run_as_group: field(v.nullish(integer(0)), "The number of the group, where run_as_user is said."),
    runtime_class: field(
      v.nullish(v.picklist(["sysbox-runc", "gvisor"], "literal_error")),
      "What the engine runs it by: sysbox-runc, or runsc for gvisor.",
    ),
  },
  "model_attributes_type",
);
export type HostedStartRequest = v.InferOutput<typeof HostedStartRequest>;

export const HostedActionRequest = v.object(
  { runtime_id: field(filled, "The whole id of a runtime that this server started.") },
  "model_attributes_type",
);

export const HostedRuntime = v.object({
  runtime_id: field(v.string(), "By which it is paused, resumed and stopped."),
  session_id: field(v.string(), "Whose it is."),
  image: field(v.string(), "What it was made of."),
  status: field(v.string(), "running, paused, starting, stopped or error."),
  pod_status: field(
    v.string(),
    "ready, pending, paused, not found, failed or crashloopbackoff; ready says that it runs, and no more.",
  ),
  url: field(v.string(), "Where the agent's server in it answers; empty while it does not run."),
  session_api_key: field(v.string(), "What that server wants as X-Session-API-Key."),
  work_hosts: field(
    v.record(v.string(), v.number()),
    "Where what is built in it is reached, and at which of its ports.",
  ),
  restart_count: field(v.number(), "How often the engine has started it again."),
});
export type HostedRuntime = v.InferOutput<typeof HostedRuntime>;

export const HostedRuntimes = v.array(HostedRuntime);
export const HostedListAnswer = v.object({ runtimes: field(HostedRuntimes, "Newest first.") });
export const ImageExistsAnswer = v.object({ exists: field(v.boolean(), "Whether the engine has it.") });
export const RegistryPrefixAnswer = v.object({
  registry_prefix: field(v.string(), "What comes before an image's name."),
});
