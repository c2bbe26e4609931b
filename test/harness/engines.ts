// The container engines that tests run on: `RUNCODE_TEST_ENGINES` names them (podman=unix:///…,docker=unix:///…), and
// scripts/engines.sh brings them up. Without one a test skips and says so; where RUNCODE_REQUIRE_TOOLS is set it fails.
import { existsSync } from "node:fs";
import { describe } from "vitest";

const ROOT = process.getuid?.() === 0;

/** What this account calls Podman: root's, or the account's own, which is rootless. */
export const PODMAN = ROOT ? "podman" : "rootless";
/** The kinds that this account may have; Docker's is root's, and others may use it as members of a group. */
export const ENGINE_KINDS = [PODMAN, "docker"] as const;
/** Those that this account can start and kill (own-engine.ts). */
export const OWN_KINDS = ROOT ? ENGINE_KINDS : ([PODMAN] as const);
export type EngineKind = (typeof ENGINE_KINDS)[number];
/** One that is not like the others: dockerd with user namespaces, a bridge and a firewall. A few of root's tests are for it as well. */
export const HARDENED = ROOT ? (["hardened"] as const) : [];
export type EngineName = EngineKind | "hardened";

/** Images that scripts/engines.sh makes on each engine: a static busybox and nothing else, and Debian with python3. */
export const BUSYBOX = "localhost/runcode-busybox:latest";
export const DEBIAN = "localhost/runcode-debian:latest";

/** The address of an engine, or null where none of this kind is there. Throws where tests may not skip. */
export function engineAddress(kind: EngineName): string | null {
  const named = (process.env["RUNCODE_TEST_ENGINES"] ?? "").split(",").find((one) => one.startsWith(`${kind}=`));
  if (named) return named.slice(kind.length + 1);
  if (process.env["RUNCODE_REQUIRE_TOOLS"]) throw new Error(reason(kind));
  return null;
}

/** One of the sockets at which an engine is found without being named, on this machine; null leaves them to a test. */
export function usualSocket(): string | null {
  const places = ["/var/run/docker.sock", "/run/podman/podman.sock"];
  return places.find((place) => existsSync(place)) ?? null;
}

/** Gives `describe.each`-like: runs `body` once for each of these kinds of engine, skipped with the reason where it is not there. */
export function describeEngines<Name extends EngineName = EngineKind>(
  title: (kind: Name) => string,
  body: (kind: Name, address: string) => void,
  kinds: readonly Name[] = ENGINE_KINDS as readonly EngineName[] as readonly Name[],
): void {
  for (const kind of kinds) {
    const address = engineAddress(kind);
    if (address === null) describe.skip(`${title(kind)} (${reason(kind)})`, () => body(kind, ""));
    // Engines are programs of others, with races of their own: in CI a test on one is tried once more, and the report says which.
    else describe(title(kind), { retry: process.env["CI"] ? 1 : 0 }, () => body(kind, address));
  }
}

function reason(kind: EngineName): string {
  const account = kind === "rootless" ? " USER" : "";
  return `no ${kind} in RUNCODE_TEST_ENGINES: eval "$(scripts/engines.sh up DIR${account})"`;
}
