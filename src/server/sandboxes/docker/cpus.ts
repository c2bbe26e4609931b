// A limit on CPUs that is no limit: Docker makes no container that may use more than its machine has.
import type { Engine } from "../../engine/index.ts";
import type { Limits } from "../driver.ts";

/**
 * Takes what a workspace may use; gives the same with no more CPUs than there are. Every machine has one, so that the engine is
 * asked only where more are wanted, and each time, since a virtual machine may have others tomorrow. Throws what dockerode throws.
 */
export async function givable({ api }: Engine, limits: Limits): Promise<Limits> {
  if (limits.cpus === undefined || limits.cpus <= 1) return limits;
  const there = cpusOf(await api.info());
  return there !== undefined && there < limits.cpus ? { ...limits, cpus: there } : limits;
}

/** Takes what an engine says of itself; gives how many CPUs it has, where it says that. */
export function cpusOf(info: unknown): number | undefined {
  const { NCPU } = info as { NCPU?: unknown };
  return typeof NCPU === "number" && NCPU >= 1 ? NCPU : undefined;
}
