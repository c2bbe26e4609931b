import { execa } from "execa";
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aliasKnownHosts, aliasMaterial, refreshAliasMaterial } from "../../src/ssh/managed/material.ts";
import { describeWith, freePort, which } from "../harness/index.ts";

const BASE = "https://one.example.org";

test("pinned keys of any host and port stand under the alias's one name, once each", () => {
  const pins =
    "[127.0.0.1]:2222 ssh-ed25519 AAAA comment\n# no\n@revoked * ssh-rsa B\n10.0.0.1 ssh-ed25519 AAAA\nx ssh-rsa C\n";
  expect(aliasKnownHosts(pins, "runcode-ws-7")).toBe("runcode-ws-7 ssh-ed25519 AAAA\nruncode-ws-7 ssh-rsa C\n");
});

test("on Windows the files are named as Windows names them", () => {
  const { identityFiles, knownHostsFile } = aliasMaterial(
    { workspaceId: 3, apiBase: BASE },
    "C:\\cache\\ws-3",
    path.win32,
  );
  expect([...identityFiles, knownHostsFile].every((file) => file.startsWith("C:\\cache\\ws-3\\"))).toBe(true);
});

describe("the successors of a key", () => {
  let dir: string;
  const write = (key: string) => writeFile(path.join(dir, "id_ed25519"), key, { mode: 0o600 });
  const refresh = () =>
    refreshAliasMaterial({
      workspaceId: 7,
      apiBase: BASE,
      dir,
      identityFile: path.join(dir, "id_ed25519"),
      knownHostsFile: path.join(dir, "known_hosts"),
    });
  const successors = async () => (await readdir(dir)).filter((name) => name.startsWith("alias-key"));
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), "rc-"));
    await writeFile(path.join(dir, "known_hosts"), "h ssh-ed25519 AAAA\n");
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test("a new key always goes to the one that was not there, and the other goes", async () => {
    await write("A");
    await refresh();
    expect(await successors()).toEqual(["alias-key-1"]);
    await refresh();
    expect(await successors()).toEqual(["alias-key-1"]);
    await write("B");
    await Promise.all(Array.from({ length: 20 }, refresh));
    expect(await successors()).toEqual(["alias-key-2"]);
    await write("C");
    await refresh();
    expect(await successors()).toEqual(["alias-key-1"]);
    expect(await readFile(path.join(dir, "alias-key-1"), "utf8")).toBe("C");
  });
});

describeWith(
  "sshd",
  "ssh",
  "ssh-keygen",
)("a real ssh whose key expired before it started", () => {
  let dir: string;
  let sshd: ChildProcess;
  let port: number;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), "rc-"));
    for (const key of ["host", "key-0", "key-1", "key-2", "key-3"])
      await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(dir, key)]);
    const session = path.join(dir, "ws-7");
    await mkdir(session);
    const [type, base64] = (await readFile(path.join(dir, "host.pub"), "utf8")).split(" ");
    await writeFile(path.join(session, "known_hosts"), `[127.0.0.1]:1 ${type} ${base64}\n`);
    await writeFile(path.join(session, "id_ed25519"), await readFile(path.join(dir, "key-0")), { mode: 0o600 });
    await writeFile(path.join(session, "id_ed25519.pub"), await readFile(path.join(dir, "key-0.pub")));
    if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
    port = await freePort();
    await writeFile(
      path.join(dir, "sshd_config"),
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${dir}/host`,
        `PidFile ${dir}/pid`,
        `AuthorizedKeysFile ${dir}/authorized`,
        "StrictModes no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
      ].join("\n"),
    );
    await chmod(path.join(dir, "host"), 0o600);
    sshd = spawn(which("sshd") as string, ["-D", "-e", "-f", path.join(dir, "sshd_config")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    await new Promise<void>((resolve, reject) => {
      let said = "";
      sshd.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes("Server listening")) resolve();
      });
      sshd.on("exit", () => reject(new Error(`sshd ended: ${said}`)));
    });
  });
  afterAll(async () => {
    sshd?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  test("gets in at the first try, each of three times in a row, and says nothing", async () => {
    // Bun takes the name from the environment, which may not say it.
    const { stdout: user } = await execa("id", ["-un"]);
    const material = aliasMaterial({ workspaceId: 7, apiBase: BASE }, path.join(dir, "ws-7"));
    for (const key of ["key-1", "key-2", "key-3"]) {
      await writeFile(path.join(dir, "authorized"), await readFile(path.join(dir, `${key}.pub`)));
      const proxy = [process.execPath, path.join(import.meta.dirname, "fixtures/rotating-proxy.ts")];
      const config = path.join(dir, "config");
      await writeFile(
        config,
        [
          "Host alias",
          `ProxyCommand ${[...proxy, path.join(dir, "ws-7"), path.join(dir, key), port].join(" ")}`,
          `HostKeyAlias ${material.hostKeyAlias}`,
          ...material.identityFiles.map((file) => `IdentityFile ${file}`),
          `UserKnownHostsFile ${material.knownHostsFile}`,
          "IdentitiesOnly yes\nIdentityAgent none\nLogLevel ERROR\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nBatchMode yes",
        ].join("\n"),
      );
      const ran = await execa("ssh", ["-F", config, `${user}@alias`, "echo", "in"], {
        reject: false,
        stdin: "ignore",
      });
      expect({ stdout: ran.stdout, stderr: ran.stderr, key }).toEqual({ stdout: "in", stderr: "", key });
    }
  });
});
