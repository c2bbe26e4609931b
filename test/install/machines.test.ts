// Which build install.sh takes where. The tools of other machines are stood in for by scripts that answer as those do; what
// is asked is a dry run of a named version, so nothing is downloaded.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeWith, writeProgram } from "../harness/index.ts";
import { KINDS, installer, type Ended, type Kind } from "./installer.ts";

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), "rc-install-"));
});
afterEach(() => rm(scratch, { recursive: true }));

describeWith("dash", "curl")("install.sh takes the build for", () => {
  const glibc = 'echo "glibc 2.36"';
  const musl = "exit 1";
  const ldd = 'echo "musl libc (x86_64)" >&2; exit 1';
  test.each<[string, Record<string, string>, string]>([
    ["an Intel CPU with AVX2", { uname: "Linux x86_64", getconf: glibc, grep: "exit 0" }, "linux_x64"],
    ["an Intel CPU without", { uname: "Linux x86_64", getconf: glibc, grep: "exit 1" }, "linux_x64-baseline"],
    ["Alpine", { uname: "Linux x86_64", getconf: musl, ldd, grep: "exit 0" }, "linux_x64-musl"],
    ["Alpine on ARM", { uname: "Linux aarch64", getconf: musl, ldd, grep: "exit 1" }, "linux_arm64-musl"],
    ["glibc beside musl", { uname: "Linux x86_64", getconf: glibc, ldd, grep: "exit 0" }, "linux_x64"],
    ["ARM", { uname: "Linux aarch64", getconf: glibc, grep: "exit 1" }, "linux_arm64"],
    ["an Intel Mac", { uname: "Darwin x86_64", sysctl: "echo 0" }, "darwin_x64"],
    ["an Apple CPU", { uname: "Darwin arm64", sysctl: "exit 1" }, "darwin_arm64"],
    ["an Apple CPU under Rosetta", { uname: "Darwin x86_64", sysctl: "echo 1" }, "darwin_arm64"],
  ])("%s", async (_, tools, target) => {
    expect((await on(tools)).all).toContain(`runcode_${target}.tar.gz`);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["another CPU", { uname: "Linux riscv64", getconf: glibc, grep: "exit 0" }, /no build for Linux on riscv64/],
    ["another system", { uname: "FreeBSD amd64" }, /no build for FreeBSD/],
    ["Windows", { uname: "MINGW64_NT-10.0 x86_64" }, /install\.ps1/],
    ["musl without AVX2", { uname: "Linux x86_64", getconf: musl, ldd, grep: "exit 1" }, /musl on a CPU without AVX2/],
  ])("none on %s, and says so", async (_, tools, why) => {
    const ran = await on(tools);
    expect(ran.all).toMatch(why);
    expect(ran.exitCode).toBe(1);
  });

  async function on({ uname, ...tools }: Record<string, string>): Promise<Ended> {
    const here = await installer(scratch, "http://127.0.0.1:9", KINDS[0] as Kind);
    const [system, cpu] = (uname ?? "").split(" ");
    const scripts = { uname: `case $1 in -s) echo ${system} ;; *) echo ${cpu} ;; esac`, ...tools };
    for (const [name, text] of Object.entries(scripts)) {
      await rm(path.join(here.tools, name), { force: true });
      await writeProgram(path.join(here.tools, name), `#!/bin/sh\n${text}\n`);
    }
    return here.start(["--dry-run", "--version", "1.2.3"]);
  }
});
