// install.sh against a release of the built program, in the shells and with the downloaders that people have.
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BINARY, copyProgram, describeWith } from "../harness/index.ts";
import { KINDS, SCRIPT, installer, treeOf, type Ended, type Installer, type Kind } from "./installer.ts";
import { answering, packed, testRelease, type TestRelease } from "./release.ts";

let served: string;
/** The built program, and the small one with which everything is tested that never gets to run it. */
let built: TestRelease;
let release: TestRelease;
beforeAll(async () => {
  served = await mkdtemp(path.join(os.tmpdir(), "rc-release-"));
  built = await testRelease(served);
  release = await testRelease(served, { program: answering(built.version), version: built.version });
});
afterAll(async () => {
  await built.close();
  await release.close();
  await rm(served, { recursive: true });
});

let scratch: string;
beforeEach(async () => {
  scratch = await realpath(await mkdtemp(path.join(os.tmpdir(), "rc-install-")));
  // Another account is to walk through it.
  await chmod(scratch, 0o755);
});
afterEach(async () => {
  release.mend();
  await rm(scratch, { recursive: true });
});

const machine = (kind = KINDS[0] as Kind, of = release): Promise<Installer> => installer(scratch, of.base, kind);
/** The archive that the script takes on this machine. */
async function archiveHere(here: Installer): Promise<string> {
  const { all } = await here.start(["--dry-run", "--version", release.version]);
  return /runcode_[^/\s]+\.tar\.gz/.exec(all)?.[0] ?? `none: ${all}`;
}

/** That it failed, said why, and left neither a file nor a folder anywhere. */
async function expectNothing(here: Installer, ran: Ended, why: RegExp): Promise<void> {
  expect(ran.all).toMatch(why);
  expect(ran.exitCode).toBe(1);
  expect(await treeOf(here.home)).toEqual([]);
  expect(await treeOf(here.tmp)).toEqual([]);
}

describe.each(KINDS)("install.sh in $shell with $downloader", (kind) => {
  const withTools = describeWith(kind.shell, kind.downloader);
  withTools("does its work", () => {
    test("installs the built program where asked, leaves a receipt and nothing else, and removes both again", async () => {
      const here = await machine(kind, built);
      const ran = await here.start([]);
      expect(ran.all).toContain(`Installed runcode ${release.version}`);
      expect(ran.exitCode).toBe(0);
      const bin = path.join(here.home, ".local/bin/runcode");
      expect((await execa(bin, ["--version"])).stdout).toBe(release.version);
      expect((await readFile(bin)).equals(await readFile(BINARY))).toBe(true);
      expect((await stat(bin)).mode & 0o777).toBe(0o755);
      expect(await treeOf(path.join(here.home, ".local/bin"))).toEqual(["runcode"]);
      expect(await treeOf(path.join(here.home, ".local/share"))).toEqual(["runcode", "runcode/install.json"]);
      const receipt = JSON.parse(
        await readFile(path.join(here.home, ".local/share/runcode/install.json"), "utf8"),
      ) as object;
      expect(receipt).toEqual({ method: "script", target: expect.stringMatching(/^linux_(x64|arm64)/) as string });
      expect(await treeOf(here.tmp)).toEqual([]);

      const removed = await here.start(["--uninstall"]);
      expect(removed.exitCode).toBe(0);
      expect(await treeOf(path.join(here.home, ".local"))).toEqual(["bin", "share"]);
    });

    test("places nothing whose checksum is wrong", async () => {
      const here = await machine(kind);
      const archive = await archiveHere(here);
      const bad = Buffer.from(release.bytes(archive));
      bad[bad.length - 9] = (bad[bad.length - 9] as number) ^ 1;
      release.replace(archive, bad);
      await expectNothing(here, await here.start([]), /does not have the checksum that the release names/);
    });

    test("places nothing of an archive that was cut off", async () => {
      const here = await machine(kind);
      const archive = await archiveHere(here);
      release.replace(archive, release.bytes(archive).subarray(0, 50_000));
      await expectNothing(here, await here.start([]), /does not have the checksum/);
    });

    test("says so when the release has no build for this machine", async () => {
      const here = await machine(kind);
      release.replace(await archiveHere(here), null);
      await expectNothing(here, await here.start([]), /cannot download .*tar\.gz/);
    });

    test.each(["SIGINT", "SIGTERM"] as const)("leaves nothing behind when %s comes half-way", async (signal) => {
      const here = await machine(kind);
      const { half, gone } = release.stall(await archiveHere(here));
      const running = here.start([]);
      await half;
      running.kill(signal);
      const ran = await running;
      expect(ran.exitCode).toBe(signal === "SIGINT" ? 130 : 143);
      // The downloader went as well.
      await gone;
      expect(await treeOf(here.home)).toEqual([]);
      expect(await treeOf(here.tmp)).toEqual([]);
    });
  });
});

describeWith(
  "dash",
  "busybox",
  "curl",
  "wget",
)("install.sh", () => {
  test("asks for the latest version and takes what that names", async () => {
    const here = await machine();
    release.replace("version.txt", "0.0.1-unheard.of\n");
    await expectNothing(here, await here.start([]), /is there a version 0\.0\.1-unheard\.of\?/);
    release.replace("version.txt", "../../etc\n");
    await expectNothing(here, await here.start([]), /names no version as its latest/);
  });

  test("takes the version that it is told, without asking for the latest", async () => {
    const here = await machine();
    release.requests.length = 0;
    expect((await here.start(["--version", `v${release.version}`])).exitCode).toBe(0);
    expect(release.requests.some((request) => request.includes("latest"))).toBe(false);
  });

  test.each([
    ["lacks the archive", (sums: string, name: string) => sums.replace(name, "another.tar.gz"), /does not name/],
    ["names it twice", (sums: string, name: string) => `${sums}${"0".repeat(64)}  ${name}\n`, /twice/],
    ["has no checksum for it", (_: string, name: string) => `abc  ${name}\n`, /damaged/],
    ["is a page of something else", () => "<html>log in to this network</html>\n", /does not name/],
  ])("places nothing when the checksum file %s", async (_, change, why) => {
    const here = await machine();
    const archive = await archiveHere(here);
    release.replace("checksums.txt", change(Buffer.from(release.bytes("checksums.txt")).toString(), archive));
    await expectNothing(here, await here.start([]), why);
  });

  test.each(KINDS.filter(({ downloader }) => downloader === "curl"))(
    "follows no path and no link in a hostile archive ($shell)",
    async (kind) => {
      const here = await machine(kind);
      const archive = await archiveHere(here);
      const evil = path.join(scratch, "evil");
      await mkdir(evil);
      await writeFile(path.join(evil, "payload"), "owned");
      await symlink(path.join(here.home, "target"), path.join(evil, "runcode"));
      // A member that climbs out, one that is absolute, and the program as a link to somewhere else.
      const climbing = await packed(
        evil,
        ["payload", "runcode"],
        ["--absolute-names", `--transform=flags=r;s,^payload$,../../../..${here.home}/climbed,`],
      );
      release.publish(archive, climbing);
      await expectNothing(here, await here.start([]), /holds no runcode/);
      await rm(path.join(evil, "runcode"));
      release.publish(
        archive,
        await packed(evil, ["payload"], ["--absolute-names", `--transform=s,^payload$,${here.home}/absolute,`]),
      );
      await expectNothing(here, await here.start([]), /holds no runcode/);
      release.publish(archive, Buffer.from("not an archive at all"));
      await expectNothing(here, await here.start([]), /holds no runcode/);
    },
  );

  test("keeps what is there when the new program does not run here or calls itself something else", async () => {
    const here = await machine();
    const archive = await archiveHere(here);
    expect((await here.start([])).exitCode).toBe(0);
    const before = await treeOf(here.home);
    const odd = path.join(scratch, "odd");
    await mkdir(odd);
    for (const program of ["#!/bin/sh\necho 0.0.0\n", "\u007fELF nothing"]) {
      await writeFile(path.join(odd, "runcode"), program, { mode: 0o755 });
      release.publish(archive, await packed(odd, ["runcode"]));
      const ran = await here.start([]);
      expect(ran.all).toContain("does not run here");
      expect(ran.exitCode).toBe(1);
      expect(await treeOf(here.home)).toEqual(before);
      expect(await readFile(path.join(here.home, ".local/bin/runcode"), "utf8")).toBe(answering(release.version));
    }
  });

  test("replaces a program that is running, which goes on", async () => {
    const here = await machine();
    const bin = path.join(here.home, ".local/bin");
    await mkdir(bin, { recursive: true });
    await copyProgram(BINARY, path.join(bin, "runcode"));
    const { ino } = await stat(path.join(bin, "runcode"));
    // It waits for a token on its stdin.
    const old = Bun.spawn([path.join(bin, "runcode"), "login", "--with-token", "--json"], {
      env: { HOME: here.home, PATH: here.tools },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    expect((await here.start([])).exitCode).toBe(0);
    expect((await stat(path.join(bin, "runcode"))).ino).not.toBe(ino);
    expect(old.exitCode).toBe(null);
    await old.stdin.end();
    expect(await new Response(old.stdout).json()).toMatchObject({ error: expect.any(String) as string });
    await old.exited;
  });

  test("goes into a prefix with spaces, and says how to mend a PATH that lacks it", async () => {
    const here = await machine();
    const prefix = path.join(here.home, "my own tools");
    const first = await here.start(["--prefix", "my own tools"]);
    expect(first.exitCode).toBe(0);
    expect(first.all).toContain("is not on your PATH");
    const line = first.stdout.split("\n").find((each) => each.includes(".bashrc")) ?? "";
    // The hint is taken at its word, in a shell that starts from the file it wrote.
    await execa("bash", ["-c", line], { env: { HOME: here.home } });
    const found = await execa("bash", ["-c", ". ~/.bashrc; runcode --version"], { env: { HOME: here.home } });
    expect(found.stdout).toBe(release.version);

    const second = await here.start([`--prefix=${prefix}`], { env: { PATH: `${prefix}/bin:${here.tools}` } });
    expect(second.all).not.toContain("PATH");
    expect((await here.start(["--uninstall", "--prefix", prefix])).exitCode).toBe(0);
    expect(await treeOf(prefix)).toEqual(["bin", "share"]);
  });

  test("changes nothing with --dry-run, and says what it would do", async () => {
    const here = await machine();
    release.requests.length = 0;
    const ran = await here.start(["--dry-run"]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toContain(`Would install runcode ${release.version} as ${here.home}/.local/bin/runcode`);
    expect(release.requests).toEqual(["/latest/download/version.txt"]);
    expect(await treeOf(here.home)).toEqual([]);
    expect(await treeOf(here.tmp)).toEqual([]);
    expect((await here.start([])).exitCode).toBe(0);
    const before = await treeOf(here.home);
    expect((await here.start(["--dry-run", "--uninstall"])).stdout).toContain("Would remove");
    expect(await treeOf(here.home)).toEqual(before);
  });

  test("downloads nothing for a prefix that may not be written to, and asks nobody for more rights", async () => {
    const here = await machine();
    const root = process.getuid?.() === 0;
    const script = path.join(scratch, "install.sh");
    await copyFile(SCRIPT, script);
    const locked = path.join(scratch, "locked");
    await mkdir(locked, { mode: 0o555 });
    release.requests.length = 0;
    const ran = await here.start(["--version", release.version, "--prefix", locked], {
      script,
      become: root ? ["/usr/sbin/runuser", "-u", "nobody", "--"] : [],
    });
    expect(ran.all).toContain(`you may not write to ${locked}`);
    expect(ran.all).toContain("--prefix DIR");
    expect(ran.exitCode).toBe(1);
    expect(release.requests).toEqual([]);
    expect(await treeOf(locked)).toEqual([]);
    expect(await readFile(SCRIPT, "utf8")).not.toMatch(/^[^#]*\b(sudo|doas)\b/m);
  });

  test("leaves a link and a folder under its name to whoever put it there", async () => {
    const here = await machine();
    const bin = path.join(here.home, ".local/bin");
    await mkdir(bin, { recursive: true });
    await symlink("/nowhere/runcode", path.join(bin, "runcode"));
    expect((await here.start([])).all).toContain("is a link");
    expect((await lstat(path.join(bin, "runcode"))).isSymbolicLink()).toBe(true);
    await rm(path.join(bin, "runcode"));
    await mkdir(path.join(bin, "runcode"));
    expect((await here.start([])).all).toContain("is a directory");
    expect(await treeOf(bin)).toEqual(["runcode"]);
  });

  test("removes nothing that it did not install", async () => {
    const here = await machine();
    const bin = path.join(here.home, ".local/bin");
    await mkdir(bin, { recursive: true });
    await writeFile(path.join(bin, "runcode"), "mine");
    const ran = await here.start(["--uninstall"]);
    expect(ran.exitCode).toBe(1);
    expect(await readFile(path.join(bin, "runcode"), "utf8")).toBe("mine");
  });

  test.each([
    "http://mirror.example.org/runcode",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
    "http://127.0.0.1@example.org",
    "ftp://127.0.0.1/",
    "https://",
    "https://example.org/a b",
    "file:///etc",
  ])("refuses the download base %s before it asks anybody", async (base) => {
    const here = await machine();
    await expectNothing(here, await here.start([], { env: { RUNCODE_DOWNLOAD_BASE: base } }), /https|plain URL/);
  });

  test.each(KINDS.filter(({ shell }) => shell === "dash"))(
    "does not follow a mirror on this machine elsewhere ($downloader)",
    async (kind) => {
      const here = await machine(kind);
      release.redirect("checksums.txt", "http://example.org/checksums.txt");
      await expectNothing(here, await here.start([]), /cannot download|SHA-256|does not name/);
      expect((await here.start([])).all).not.toMatch(/resolve/i);
    },
  );

  test("installs nothing where nothing can compute a checksum, and takes openssl where that is all there is", async () => {
    const here = await machine();
    await rm(path.join(here.tools, "sha256sum"));
    await expectNothing(here, await here.start([]), /unchecked this script installs nothing/);
    const openssl = Bun.which("openssl");
    if (openssl !== null) {
      await symlink(openssl, path.join(here.tools, "openssl"));
      expect((await here.start([])).exitCode).toBe(0);
    }
  });

  test("refuses https through a downloader that checks no certificate", async () => {
    const here = await machine({ shell: "busybox", downloader: "wget" });
    await expectNothing(
      here,
      await here.start([], { env: { RUNCODE_DOWNLOAD_BASE: "https://127.0.0.1:9" } }),
      /does not check certificates/,
    );
  });

  test("tells a wrong use from a failure", async () => {
    const here = await machine();
    for (const words of [["--frobnicate"], ["--prefix"], ["--version", "1/../2"], ["--version", "latest"]]) {
      const ran = await here.start(words);
      expect(ran.exitCode).toBe(2);
      expect(ran.stderr).toContain("Usage:");
    }
    expect((await here.start(["--help"])).exitCode).toBe(0);
    expect(await treeOf(here.home)).toEqual([]);
  });

  test.each(["dash", "busybox"] as const)(
    "does nothing when it arrives cut off, wherever that was (%s)",
    async (shell) => {
      const here = await machine({ shell, downloader: "curl" });
      const whole = await readFile(SCRIPT);
      const script = path.join(scratch, "cut.sh");
      // The last bytes are where a call could be cut short and still be one; the rest is sampled.
      const ends = Array.from({ length: 14 }, (_, i) => whole.length - 2 - i);
      const anywhere = Array.from({ length: 12 }, () => Math.floor(Math.random() * (whole.length - 16)));
      release.requests.length = 0;
      for (const length of [...ends, ...anywhere]) {
        await writeFile(script, whole.subarray(0, length));
        await here.start([], { script });
        expect([length, release.requests, await treeOf(here.home), await treeOf(here.tmp)]).toEqual([
          length,
          [],
          [],
          [],
        ]);
      }
    },
  );
});

describeWith("shellcheck")("the text of install.sh", () => {
  test("passes shellcheck as a POSIX script", async () => {
    const { stdout, exitCode } = await execa("shellcheck", ["--shell=sh", SCRIPT], { reject: false });
    expect(stdout).toBe("");
    expect(exitCode).toBe(0);
  });
});
