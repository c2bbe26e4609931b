// What an engine can do for containers, by its own account: rootless ones do less than they say in Docker's words.
import type Dockerode from "dockerode";
import { askPodman } from "./podman.ts";

export interface EngineTraits {
  /** Whether it is an ordinary account's: root inside is that account outside, and all other ids are its as well. */
  readonly rootless: boolean;
  /** Which limits its containers are held to. */
  readonly enforces: { readonly memory: boolean; readonly processes: boolean; readonly cpus: boolean };
}

/** Takes an engine's client and its kind; asks it. Throws what dockerode throws. */
export async function traitsOf(api: Dockerode, kind: "docker" | "podman"): Promise<EngineTraits> {
  const info = (await api.info()) as Record<string, unknown>;
  const security = (info["SecurityOptions"] as string[] | undefined) ?? [];
  // Docker says it among its options, Podman in a member of its own.
  const rootless = info["Rootless"] === true || security.some((option) => option.startsWith("name=rootless"));
  if (kind === "docker" || !rootless) {
    const enforces = {
      memory: info["MemoryLimit"] === true,
      processes: info["PidsLimit"] !== false,
      cpus: info["CpuCfsQuota"] === true,
    };
    return { rootless, enforces };
  }
  // Rootless, Podman 4.3 says in Docker's words what root would have. What the account was given it says in its own: nothing on
  // version 1 of cgroups, where it drops limits without a word; on version 2 no container starts with a limit that is not given.
  const { host } = await askPodman<{ host?: { cgroupControllers?: string[] | null } }>(api, "GET", "/info");
  const given = host?.cgroupControllers ?? [];
  const enforces = { memory: given.includes("memory"), processes: given.includes("pids"), cpus: given.includes("cpu") };
  return { rootless, enforces };
}
