// What an engine can do for containers, in the words in which it tells the truth.
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
  return kind === "podman" ? await podmanTraits(api) : await dockerTraits(api);
}

async function dockerTraits(api: Dockerode): Promise<EngineTraits> {
  const { SecurityOptions, MemoryLimit, PidsLimit, CpuCfsQuota } = (await api.info()) as {
    SecurityOptions?: string[] | null;
    MemoryLimit?: boolean;
    PidsLimit?: boolean;
    CpuCfsQuota?: boolean;
  };
  return {
    rootless: (SecurityOptions ?? []).some((option) => option.startsWith("name=rootless")),
    enforces: { memory: MemoryLimit === true, processes: PidsLimit !== false, cpus: CpuCfsQuota === true },
  };
}

/**
 * Rootless, Podman 4.3 says in Docker's words what the machine has. In its own it says what the account was given: on version 1 of
 * cgroups nothing, where it drops limits without a word; on version 2 no container starts with a limit that was not given.
 */
async function podmanTraits(api: Dockerode): Promise<EngineTraits> {
  const { host } = await askPodman<{
    host?: { cgroupControllers?: string[] | null; security?: { rootless?: boolean } };
  }>(api, "GET", "/info");
  const given = host?.cgroupControllers ?? [];
  return {
    rootless: host?.security?.rootless === true,
    enforces: { memory: given.includes("memory"), processes: given.includes("pids"), cpus: given.includes("cpu") },
  };
}
