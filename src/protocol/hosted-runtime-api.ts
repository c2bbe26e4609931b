// The other contract of that name: the one by which OpenHands speaks to its hosted runtimes. A runtime belongs to a session
// there, and is reached at an address of its own with a key of its own.
import * as v from "valibot";
import { command, filled, integer, strings, text } from "./runtime-api.ts";

/** Where the agent's server listens in a runtime; the rest are an editor and two addresses for what is being built. */
export const AGENT_PORT = 60_000;
export const WORK_PORTS = [12_000, 12_001] as const;
export const HOSTED_PORTS = [AGENT_PORT, 60_001, ...WORK_PORTS] as const;

/** `POST /start`. What it does not name is ignored; so is `resource_factor`. */
export const HostedStartRequest = v.object(
  {
    image: filled,
    session_id: filled,
    command,
    working_dir: v.nullish(text),
    environment: v.nullish(strings),
    run_as_user: v.nullish(integer(0)),
    run_as_group: v.nullish(integer(0)),
    runtime_class: v.nullish(v.picklist(["sysbox-runc", "gvisor"], "literal_error")),
  },
  "model_attributes_type",
);
export type HostedStartRequest = v.InferOutput<typeof HostedStartRequest>;

export const HostedActionRequest = v.object({ runtime_id: filled }, "model_attributes_type");

export const HostedRuntime = v.object({
  runtime_id: v.string(),
  session_id: v.string(),
  image: v.string(),
  /** `running`, `paused`, `starting`, `stopped` or `error`. */
  status: v.string(),
  /** `ready`, `pending`, `paused`, `not found`, `failed` or `crashloopbackoff`. */
  pod_status: v.string(),
  /** Where the agent's server in it answers; "" while it does not run. */
  url: v.string(),
  /** What that server wants as `X-Session-API-Key`. */
  session_api_key: v.string(),
  work_hosts: v.record(v.string(), v.number()),
  restart_count: v.number(),
});
export type HostedRuntime = v.InferOutput<typeof HostedRuntime>;

export const HostedRuntimes = v.array(HostedRuntime);
export const HostedListAnswer = v.object({ runtimes: HostedRuntimes });
export const ImageExistsAnswer = v.object({ exists: v.boolean() });
export const RegistryPrefixAnswer = v.object({ registry_prefix: v.string() });
