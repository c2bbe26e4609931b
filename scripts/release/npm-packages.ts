// The npm packages: one per platform with the binary in it, and `runcode`, which depends on all of them optionally, so that npm
// installs the one that fits. Its command is a few lines of POSIX shell: Node.js in between would cost more than the program.
// npm on Windows has no shell to run that with, so there the platform's own package is the one to install.
import { tarGz, type Entry } from "./archives.ts";
import { CLIENT_EXPORTS } from "./runtime-client.ts";
import { binaryName, type Target } from "./targets.ts";

const SCOPE = "@runcode-io";

/** npm cannot see AVX2: on x64 with glibc it gets the build that runs everywhere. */
const SHIPPED: Readonly<Record<string, string>> = {
  linux_arm64: "linux-arm64",
  "linux_x64-baseline": "linux-x64",
  "linux_x64-musl": "linux-x64-musl",
  "linux_arm64-musl": "linux-arm64-musl",
  darwin_x64: "darwin-x64",
  darwin_arm64: "darwin-arm64",
  windows_x64: "windows-x64",
  windows_arm64: "windows-arm64",
};

/** A global install nests the platform's package below this one, a local one lays it beside. */
const LAUNCHER = `#!/bin/sh
# Starts the binary that npm installed for this machine.
me=$0
while [ -L "$me" ]; do
  to=$(readlink "$me")
  case $to in /*) me=$to ;; *) me=\${me%/*}/$to ;; esac
done
here=\${me%/*}
for runcode in "$here"/../node_modules/${SCOPE}/*/bin/runcode "$here"/../../${SCOPE}/*/bin/runcode; do
  [ -x "$runcode" ] && exec "$runcode" "$@"
done
echo 'runcode: npm installed no binary for this machine; were optional dependencies left out?' >&2
exit 1
`;

export interface NpmPackage {
  /** The tarball's file name, as npm pack would call it. */
  readonly file: string;
  readonly body: Buffer;
}

/** The package of one platform, or null for a build that npm cannot choose. */
export async function platformPackage(
  target: Target,
  version: string,
  binary: Uint8Array,
  papers: readonly Entry[],
): Promise<NpmPackage | null> {
  const short = SHIPPED[target.name];
  if (short === undefined) return null;
  const name = binaryName(target);
  const manifest = {
    name: `${SCOPE}/${short}`,
    description: `The binary of runcode for ${short}.`,
    version,
    license: "MIT",
    os: [target.os],
    cpu: [target.cpu],
    ...(target.libc ? { libc: [target.libc] } : {}),
    // Only where npm can link a binary itself; elsewhere two packages would want the same command.
    ...(target.os === "win32" ? { bin: { runcode: `bin/${name}` } } : {}),
  };
  return pack(manifest, [{ name: `bin/${name}`, body: binary, executable: true }, ...papers]);
}

/** The package that people name. Takes the files of the runtime client as well, which programs import from it. */
export function mainPackage(version: string, client: readonly Entry[], papers: readonly Entry[]): Promise<NpmPackage> {
  const platforms = Object.entries(SHIPPED)
    .filter(([name]) => !name.startsWith("windows"))
    .map(([, short]) => [`${SCOPE}/${short}`, version] as const);
  const manifest = {
    name: "runcode",
    description: "Reach a remote workspace over plain OpenSSH, with keys that live half an hour.",
    version,
    license: "MIT",
    homepage: "https://runcode.io",
    os: ["linux", "darwin"],
    bin: { runcode: "bin/runcode" },
    type: "module",
    exports: { ...CLIENT_EXPORTS, "./package.json": "./package.json" },
    sideEffects: false,
    // process.getBuiltinModule came with 20.16.
    engines: { node: ">=20.16" },
    optionalDependencies: Object.fromEntries(platforms),
  };
  return pack(manifest, [{ name: "bin/runcode", body: Buffer.from(LAUNCHER), executable: true }, ...client, ...papers]);
}

async function pack(manifest: { name: string; version: string }, entries: readonly Entry[]): Promise<NpmPackage> {
  const all = [{ name: "package.json", body: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) }, ...entries];
  // The time that npm itself gives to all files of all packages.
  const npmsTime = Date.UTC(1985, 9, 26, 8, 15) / 1000;
  return {
    file: `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`,
    body: await tarGz(
      all.map((entry) => ({ ...entry, name: `package/${entry.name}` })),
      npmsTime,
    ),
  };
}
