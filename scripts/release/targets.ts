// The platforms a release is built for, and the npm package that brings each one's runtime.

export interface Target {
  /** As in the archive's name, and as install.sh asks for it. */
  readonly name: string;
  /** Bun's name of it. */
  readonly bun: string;
  readonly runtime: string;
  /** npm's words for the machine. */
  readonly os: "linux" | "darwin" | "win32";
  readonly cpu: "x64" | "arm64";
  readonly libc?: "glibc" | "musl";
}

const linux = { os: "linux", libc: "glibc" } as const;
const musl = { os: "linux", libc: "musl" } as const;

export const TARGETS: readonly Target[] = [
  { name: "linux_x64", bun: "linux-x64", runtime: "linux-x64", cpu: "x64", ...linux },
  { name: "linux_x64-baseline", bun: "linux-x64-baseline", runtime: "linux-x64-baseline", cpu: "x64", ...linux },
  { name: "linux_arm64", bun: "linux-arm64", runtime: "linux-aarch64", cpu: "arm64", ...linux },
  { name: "linux_x64-musl", bun: "linux-x64-musl", runtime: "linux-x64-musl", cpu: "x64", ...musl },
  { name: "linux_arm64-musl", bun: "linux-arm64-musl", runtime: "linux-aarch64-musl", cpu: "arm64", ...musl },
  { name: "darwin_x64", bun: "darwin-x64", runtime: "darwin-x64", os: "darwin", cpu: "x64" },
  { name: "darwin_arm64", bun: "darwin-arm64", runtime: "darwin-aarch64", os: "darwin", cpu: "arm64" },
  { name: "windows_x64", bun: "windows-x64", runtime: "windows-x64", os: "win32", cpu: "x64" },
  { name: "windows_arm64", bun: "windows-arm64", runtime: "windows-aarch64", os: "win32", cpu: "arm64" },
];

/** The program's name inside an archive or a package. */
export function binaryName(target: Target): string {
  return target.os === "win32" ? "runcode.exe" : "runcode";
}

export function archiveName(target: Target): string {
  return `runcode_${target.name}${target.os === "win32" ? ".zip" : ".tar.gz"}`;
}
