// What `serve` was told of the container engine, checked once: which one, and what a workspace gets there by default.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { IMAGE_NAMES, isImageName } from "../engine/image-name.ts";
import { ISOLATED, type EngineOptions } from "../sandboxes/index.ts";

export interface EngineFlags {
  readonly engine?: string | undefined;
  readonly image?: string | undefined;
  readonly engineNetwork?: string | undefined;
  readonly dropCapabilities?: boolean;
  readonly readOnlyRoot?: boolean;
  readonly seccomp?: string | undefined;
  readonly engineRuntime?: string | undefined;
}

export type EngineConfig = EngineOptions;

/** Throws RuncodeError `usage`, and for the seccomp profile `io` and `config_invalid`. */
export async function checkEngine(flags: EngineFlags, cwd: string): Promise<EngineConfig> {
  const { engine = null, image = null, engineNetwork: network = ISOLATED } = flags;
  if (image !== null && !isImageName(image))
    throw new RuncodeError("usage", `--image takes the name of an image, not ${JSON.stringify(image.slice(0, 300))}`, {
      hint: IMAGE_NAMES,
    });
  // `host` and `container:…` are networks of somebody else, with all that is reached there.
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(network) || network === "host")
    throw new RuncodeError("usage", "--engine-network takes isolated, none, default, or the name of a network", {
      hint: "docker network ls shows those that there are; the machine's own is not for workspaces",
    });
  const { engineRuntime: runtime } = flags;
  if (runtime !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(runtime))
    throw new RuncodeError("usage", "--engine-runtime takes a name that the engine has for a runtime, such as runsc");
  return {
    address: engine,
    image,
    network,
    hardening: {
      ...(flags.dropCapabilities ? { capabilities: [] } : {}),
      ...(flags.readOnlyRoot ? { readOnlyRoot: true } : {}),
      ...(flags.seccomp === undefined ? {} : { seccomp: await profile(path.resolve(cwd, flags.seccomp)) }),
      ...(runtime === undefined ? {} : { runtime }),
    },
  };
}

async function profile(file: string): Promise<{ file: string; text: string }> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw ioError(`cannot read ${file}`, error);
  });
  const parsed = parseJson(text);
  // One that allows everything but a few, logged or not, would be looser than the engine's own without anybody's meaning it.
  const action = parsed?.["defaultAction"];
  if (typeof action !== "string" || !/^SCMP_ACT_(ERRNO|KILL(_PROCESS|_THREAD)?|TRAP)$/.test(action))
    throw new RuncodeError("config_invalid", `${file} is no seccomp profile whose defaultAction refuses`, {
      hint: "start from the engine's own: https://docs.docker.com/engine/security/seccomp",
    });
  return { file, text };
}

function parseJson(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}

/** The words that ask for the same again. */
export function engineWords({ address, image, network, hardening }: EngineConfig): string[] {
  return [
    ...(address === null ? [] : ["--engine", address]),
    ...(image === null ? [] : ["--image", image]),
    ...(network === ISOLATED ? [] : ["--engine-network", network]),
    ...(hardening.capabilities ? ["--drop-capabilities"] : []),
    ...(hardening.readOnlyRoot ? ["--read-only-root"] : []),
    ...(hardening.seccomp ? ["--seccomp", hardening.seccomp.file] : []),
    ...(hardening.runtime ? ["--engine-runtime", hardening.runtime] : []),
  ];
}
