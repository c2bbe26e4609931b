// What the engine tells of a container, in the words of the contract.
import type { RuntimeActionAnswer, RuntimeAnswer } from "../../protocol/runtime-api.ts";
import type { EngineContainer } from "./engine.ts";
import type { Outcome } from "./runtimes.ts";

/** Takes a container and the id that its caller knows it by; gives the answer of `/start` and an entry of `/list`. */
export function told(container: EngineContainer, runtimeId: string): RuntimeAnswer {
  return {
    runtime_id: runtimeId,
    container_id: container.id,
    name: container.name,
    image: container.image,
    status: container.status,
    created_at: createdAt(container.created),
    ports: publishedPorts(container.ports),
  };
}

/** Takes the id as it was sent, what was done and what became of it; gives the answer. */
export function toldAction(runtimeId: string, said: string, { container, after }: Outcome): RuntimeActionAnswer {
  return {
    runtime_id: runtimeId,
    container_id: container.id,
    // One that is removed by itself is gone by now, or about to be.
    status: after === null || after.status === "removing" ? "exited" : after.status,
    message: `Runtime ${runtimeId} ${said}`,
  };
}

/** Takes RFC 3339 with any fraction and offset; gives it in UTC, with microseconds and Z. */
export function createdAt(text: string): string {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const seconds = Date.parse(text.replace(/\.\d+/, ""));
  if (Number.isNaN(seconds)) return text;
  return `${new Date(seconds).toISOString().slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, "0")}Z`;
}

/** A port that is exposed and published nowhere is left out: the answer has no word for it. */
function publishedPorts(ports: EngineContainer["ports"]): RuntimeAnswer["ports"] {
  return Object.fromEntries(
    Object.entries(ports).flatMap(([port, bindings]) =>
      bindings && bindings.length > 0
        ? [[port, bindings.map(({ HostIp, HostPort }) => ({ HostIp, HostPort }))] as const]
        : [],
    ),
  );
}
