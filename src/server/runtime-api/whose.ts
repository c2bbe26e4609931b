// Which of an engine's containers a server may touch: decisions/074 says why.
import { RUNTIME_LABEL } from "../../protocol/runtime-api.ts";

export type Labels = Readonly<Record<string, string>>;
/** Takes a container's labels; says whether this server may tell of it, and stop it. */
export type Whose = (labels: Labels) => boolean;

/** Takes what a server's own containers carry; those that it made, and no others. */
export function itsOwn(own: Labels): Whose {
  return (labels) => isRuntime(labels) && Object.entries(own).every(([name, value]) => labels[name] === value);
}

/** Takes what a server's own containers carry; those that it made, and those that no server of ours made: a compatible one did. */
export function notAnothers(own: Labels): Whose {
  return (labels) =>
    isRuntime(labels) &&
    Object.entries(own).every(([name, value]) => !Object.hasOwn(labels, name) || labels[name] === value);
}

function isRuntime(labels: Labels): boolean {
  return Object.hasOwn(labels, RUNTIME_LABEL);
}
