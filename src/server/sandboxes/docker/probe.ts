// Whether an engine can be used, and what it is.
import { engineError, howFound } from "../../engine/index.ts";
import type { DriverHealth } from "../driver.ts";
import { cpusOf } from "./cpus.ts";
import type { Holdings } from "./holdings.ts";
import type { EngineOptions } from "./options.ts";

const NOTHING = { memory: false, processes: false, cpus: false };
/** The engine's names of the machines that this program runs on. */
const MACHINES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Takes the argv of this program, how to open the engine, and what the operator says of workspaces on it. Throws RuncodeError `config_invalid`, `insecure_base`. */
export async function probeEngine(
  self: readonly string[],
  open: () => Promise<Holdings>,
  on: Pick<EngineOptions, "image" | "network">,
): Promise<DriverHealth> {
  if (process.platform !== "linux")
    return unwell("its helper is this very program, which must be one for Linux", "run the server on Linux");
  if (self.length !== 1) return unwell("it needs runcode as one executable", "build it with `npm run build`");
  try {
    const { engine, homes, networks } = await open();
    const { kind, version, architecture, os } = await engine.facts();
    if (os !== "linux" || architecture !== MACHINES[process.arch])
      return unwell(
        `${kind} ${version} at ${engine.endpoint.url} runs ${os}/${architecture}, and this program is one for linux/${MACHINES[process.arch]}`,
        "use an engine on a machine of the same kind",
      );
    if (!(await networks.isThere()))
      return unwell(
        `${kind} ${version} at ${engine.endpoint.url} has no network ${on.network}`,
        `make it (${kind} network create ${on.network}), or choose another --engine-network: isolated, none, default`,
      );
    const info = (await engine.api.info()) as Record<string, unknown>;
    const cpus = cpusOf(info);
    const security = (info["SecurityOptions"] as string[] | undefined) ?? [];
    const has = (name: string): boolean => security.some((option) => option.startsWith(`name=${name}`));
    const { rootless, enforces } = await engine.traits();
    const shape = [
      rootless ? "rootless" : has("userns") ? "user namespaces" : await usersOf({ engine, homes }),
      has("seccomp") ? "seccomp" : "no seccomp",
    ];
    return {
      ok: true,
      detail: `${kind} ${version} at ${engine.endpoint.url} (${howFound(engine.endpoint)}), ${shape.join(", ")}`,
      enforces,
      ...(cpus === undefined ? {} : { cpus }),
      ...(on.image === null ? { notes: ["without --image, each workspace has to name its own (create --image)"] } : {}),
    };
  } catch (error) {
    const known = engineError(error, null);
    if (known.code === "config_invalid" || known.code === "insecure_base") throw known;
    return unwell(known.message, known.hint);
  }
}

function unwell(detail: string, fix?: string): DriverHealth {
  return { ok: false, detail, ...(fix === undefined ? {} : { fix }), enforces: NOTHING };
}

/** Says whether containers have users of their own, which takes any image to find out. */
async function usersOf({ engine, homes }: Pick<Holdings, "engine" | "homes">): Promise<string> {
  const [image] = (await homes.giveUsers()) ? await engine.api.listImages() : [];
  const users = image ? await homes.findUsers(image.Id) : null;
  return users === null ? "root inside is root of the engine's machine" : "a user namespace for each workspace";
}
