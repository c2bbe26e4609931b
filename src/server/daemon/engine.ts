// What `serve` was told of the container engine, checked once: which one, and what a workspace gets there by default.
import { RuncodeError } from "../../protocol/errors.ts";
import { ISOLATED, type EngineOptions } from "../sandboxes/index.ts";

export interface EngineFlags {
  readonly engine?: string | undefined;
  readonly image?: string | undefined;
  readonly engineNetwork?: string | undefined;
  readonly dropCapabilities?: boolean;
  readonly readOnlyRoot?: boolean;
}

export type EngineConfig = EngineOptions;

/** Throws RuncodeError `usage`. */
export function checkEngine(flags: EngineFlags): EngineConfig {
  const { engine = null, image = null, engineNetwork: network = ISOLATED } = flags;
  // `host` and `container:…` are networks of somebody else, with all that is reached there.
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(network) || network === "host")
    throw new RuncodeError("usage", "--engine-network takes isolated, none, default, or the name of a network", {
      hint: "docker network ls shows those that there are; the machine's own is not for workspaces",
    });
  return {
    address: engine,
    image,
    network,
    hardening: {
      ...(flags.dropCapabilities ? { capabilities: [] } : {}),
      ...(flags.readOnlyRoot ? { readOnlyRoot: true } : {}),
    },
  };
}

/** The words that ask for the same again. */
export function engineWords({ address, image, network, hardening }: EngineConfig): string[] {
  return [
    ...(address === null ? [] : ["--engine", address]),
    ...(image === null ? [] : ["--image", image]),
    ...(network === ISOLATED ? [] : ["--engine-network", network]),
    ...(hardening.capabilities ? ["--drop-capabilities"] : []),
    ...(hardening.readOnlyRoot ? ["--read-only-root"] : []),
  ];
}
