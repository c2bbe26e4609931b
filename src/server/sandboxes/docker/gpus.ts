// GPUs, which an engine has no runtime for, or does not know of: Docker says so when the container starts, Podman starts it
// without them.
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { reasonOf } from "../../engine/index.ts";
import type { SandboxSpec } from "../driver.ts";

const none = ({ title }: SandboxSpec, why: string, cause?: unknown): RuncodeError =>
  new RuncodeError("start_failed", `workspace ${title} cannot be started: its flavor asks for GPUs, and ${why}`, {
    hint: "choose a flavor without gpus, or Docker with the vendor's container toolkit",
    cause,
  });

/** Takes a container that was made for a workspace; throws `start_failed` where it would have fewer GPUs than its flavor says. */
export async function mustHaveGpus(spec: SandboxSpec, container: Dockerode.Container): Promise<void> {
  if (!spec.limits.gpus) return;
  const { HostConfig } = await container.inspect();
  if (!HostConfig.DeviceRequests?.length) throw none(spec, "this engine takes no notice of that");
}

/** Takes what came of a start; gives it in words of ours where it was for want of GPUs. */
export function withoutGpus(spec: SandboxSpec, error: unknown): unknown {
  const said = reasonOf(error);
  return spec.limits.gpus && /device driver|nvidia|gpu/i.test(said) && !(error instanceof RuncodeError)
    ? none(spec, `this engine has none: ${said}`, error)
    : error;
}
