// Programs that a test drives and that a machine may lack. A test that needs one skips with the reason and the line that
// installs it; where RUNCODE_REQUIRE_TOOLS is set (CI), lacking one is a failure instead.
import { existsSync } from "node:fs";
import path from "node:path";
import { describe, test, type TestAPI } from "vitest";

/** program → Debian's package */
const PACKAGES = {
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  "ssh-agent": "openssh-client",
  scp: "openssh-client",
  sftp: "openssh-client",
  sshd: "openssh-server",
  rsync: "rsync",
  git: "git",
  bwrap: "bubblewrap",
  chromium: "chromium",
  dash: "dash",
  curl: "curl",
  wget: "wget",
  shellcheck: "shellcheck",
  bash: "bash",
  zsh: "zsh",
  fish: "fish",
  tcsh: "tcsh",
  busybox: "busybox-static",
  rg: "ripgrep",
  "docker-registry": "docker-registry",
  openssl: "openssl",
  man: "man-db",
  ruby: "ruby",
  unzip: "unzip",
  "qemu-aarch64-static": "qemu-user-static",
  "qemu-x86_64-static": "qemu-user-static",
  wine: "wine wine64",
} as const;
export type Tool = keyof typeof PACKAGES;

/** The absolute path of a program, or null. sshd is looked for where Debian puts it as well. */
export function which(tool: string): string | null {
  for (const dir of [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/sbin"]) {
    const file = path.join(dir, tool);
    if (dir !== "" && existsSync(file)) return file;
  }
  return null;
}

/** Gives `describe` where all tools are there, else one that skips and says why. */
export function describeWith(...tools: Tool[]): typeof describe | typeof describe.skip {
  return missing(tools) === null ? describe : reasoned(describe.skip, missing(tools) as string);
}

/** As `describeWith`, for a single test. */
export function testWith(...tools: Tool[]): TestAPI | TestAPI["skip"] {
  return missing(tools) === null ? test : reasoned(test.skip, missing(tools) as string);
}

function missing(tools: readonly Tool[]): string | null {
  const lacking = tools.filter((tool) => which(tool) === null);
  if (lacking.length === 0) return null;
  const reason = `needs ${lacking.join(", ")}: apt-get install ${[...new Set(lacking.map((tool) => PACKAGES[tool]))].join(" ")}`;
  if (process.env["RUNCODE_REQUIRE_TOOLS"]) throw new Error(reason);
  return reason;
}

function reasoned<F extends (name: string, ...rest: never[]) => unknown>(skip: F, reason: string): F {
  return ((name: string, ...rest: never[]) => skip(`${name} (${reason})`, ...rest)) as F;
}
