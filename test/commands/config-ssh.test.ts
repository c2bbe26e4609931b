// The aliases of config-ssh as people use them: the system's own ssh, scp, sftp, rsync and git, with a configuration around
// them that would break each of them.
import { execa } from "execa";
import { chmod, mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith, freePort, testWith } from "../harness/index.ts";
import { bench, type Bench } from "./workspace.ts";

const HOSTILE = `Host *
  ProxyJump bastion.example.org
  RemoteCommand echo hijacked
  RequestTTY force
  ControlMaster auto
  ControlPath ~/.ssh/cm-%C
  User somebody
  HostName elsewhere.example.org
  Port 1
  IdentityFile ~/.ssh/id_of_the_person
  IdentityAgent /nonexistent/agent
  AddKeysToAgent yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  ForwardAgent yes
  LogLevel VERBOSE
`;

describeWith("ssh")("an alias of config-ssh", () => {
  let b: Bench;
  let id: number;
  let config: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    b = await bench();
    id = await b.workspace("demo");
    config = path.join(b.home.dir, ".ssh/config");
    await writeFile(config, HOSTILE, { mode: 0o600 });
    await b.ok(["config-ssh"]);
    // What an editor that was started from a desktop has: no XDG_*, no token; so the token is where login puts it.
    await b.ok(["login", "--with-token", "--insecure-storage", "--api-base", b.server.facts.api_base], {
      stdin: `${b.server.facts.owner_token}\n`,
      env: { RUNCODE_TOKEN: undefined },
    });
    env = { HOME: b.home.dir, PATH: process.env["PATH"] ?? "", RUNCODE_NO_KEYCHAIN: "1" };
  });
  afterAll(() => b.close());

  // OpenSSH takes the home from the password database, so a test's home is named with -F.
  const ssh = (...words: string[]) =>
    execa("ssh", ["-F", config, ...words], { env, extendEnv: false, stdin: "ignore", reject: false });
  const silent = ({ stderr }: { stderr: string }) =>
    stderr.split("\n").filter((line) => !/^(Authenticated to|Transferred:|Bytes per second|$)/.test(line));
  const expire = async () => {
    const meta = path.join(b.sessionDir(id), "meta.json");
    await writeFile(
      meta,
      (await readFile(meta, "utf8")).replace(/"expiresAt": \d+/, `"expiresAt": ${Date.now() - 1000}`),
    );
  };

  test("connects with no session there, with one, and at the first try after it expired, three times over", async () => {
    for (let i = 0; i < 3; i++) {
      for (const _ of ["cold or expired", "warm"]) {
        const ran = await ssh("runcode.demo", "echo in; echo aside >&2; exit 7");
        expect([ran.exitCode, ran.stdout]).toEqual([7, "in"]);
        expect(silent(ran)).toEqual(["aside"]);
      }
      await expire();
    }
  });

  test("offers none of the person's own keys and opens no master", async () => {
    const ran = await ssh("-v", "runcode.demo", "true");
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr).not.toMatch(/Offering public key: .*id_of_the_person/);
    expect((await readdir(path.join(b.home.dir, ".ssh"))).sort()).toEqual([
      "config",
      "config.before-runcode",
      "runcode.conf",
    ]);
  });

  test("refuses a gateway whose host key is not the pinned one", async () => {
    const pins = path.join(b.sessionDir(id), "known_hosts");
    const kept = await readFile(pins, "utf8");
    const meta = path.join(b.sessionDir(id), "meta.json");
    const keptMeta = await readFile(meta, "utf8");
    try {
      const other = kept.replace(/AAAA\S+/, "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f");
      await writeFile(pins, other);
      const { createHash } = await import("node:crypto");
      await writeFile(
        meta,
        keptMeta.replace(/("known_hosts": )"[0-9a-f]{64}"/, `$1"${createHash("sha256").update(other).digest("hex")}"`),
      );
      const ran = await ssh("runcode.demo", "echo never");
      expect([ran.exitCode, ran.stdout]).toEqual([255, ""]);
      expect(ran.stderr).toMatch(/Host key verification failed/);
    } finally {
      await writeFile(pins, kept);
      await writeFile(meta, keptMeta);
    }
  });

  testWith("scp")("carries scp, both ways", async () => {
    const file = path.join(b.home.dir, "a file");
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
    await writeFile(file, bytes);
    await execa("scp", ["-q", "-F", config, file, "runcode.demo:there"], { env, extendEnv: false });
    await execa("scp", ["-q", "-F", config, "runcode.demo:there", `${file} back`], { env, extendEnv: false });
    expect((await readFile(`${file} back`)).equals(bytes)).toBe(true);
  });

  testWith("sftp")("carries sftp", async () => {
    const ran = await execa("sftp", ["-q", "-F", config, "-b", "-", "runcode.demo"], {
      env,
      extendEnv: false,
      input: "mkdir made\nls\n",
    });
    expect(ran.stdout).toContain("made");
  });

  testWith("rsync")("carries rsync", async () => {
    const from = path.join(b.home.dir, "tree");
    await mkdir(path.join(from, "deep"), { recursive: true });
    await writeFile(path.join(from, "deep/x"), "x");
    await chmod(path.join(from, "deep/x"), 0o750);
    const rsync = (...words: string[]) =>
      execa("rsync", ["-a", "-e", `ssh -F ${config}`, ...words], { env, extendEnv: false });
    await rsync(`${from}/`, "runcode.demo:tree/");
    await rsync("runcode.demo:tree/", path.join(b.home.dir, "tree-back/"));
    expect((await stat(path.join(b.home.dir, "tree-back/deep/x"))).mode & 0o777).toBe(0o750);
  });

  testWith("git")("carries git clone and push", async () => {
    const made = await ssh(
      "runcode.demo",
      "git init -q --bare repo.git && git -C repo.git rev-parse --is-bare-repository",
    );
    expect(made.stdout).toBe("true");
    const git = {
      env: { ...env, GIT_SSH_COMMAND: `ssh -F ${config}`, GIT_CONFIG_NOSYSTEM: "1" },
      extendEnv: false,
      cwd: b.home.dir,
    };
    await execa("git", ["clone", "-q", "runcode.demo:repo.git", "clone"], git);
    const inside = { ...git, cwd: path.join(b.home.dir, "clone") };
    await execa(
      "git",
      ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "one"],
      inside,
    );
    await execa("git", ["push", "-q", "origin", "HEAD:main"], inside);
    expect((await ssh("runcode.demo", "git -C repo.git log --format=%s main")).stdout).toBe("one");
  });

  test("carries a dynamic forward beside a long command, as VS Code connects", async () => {
    const ran = await ssh(
      "-D",
      `127.0.0.1:${await freePort()}`,
      "-T",
      "runcode.demo",
      "sh -c 'echo up; sleep 0.2; echo done'",
    );
    expect(ran.stdout).toBe("up\ndone");
  });

  test("--check finds nothing in the way; a line put above ours is named and exits 1", async () => {
    const good = await b.ok(["config-ssh", "--check", "--json"]);
    expect(good.json()).toMatchObject({ ok: true, changed: false, checks: [{ host: "runcode.demo", ok: true }] });
    const text = await readFile(config, "utf8");
    await writeFile(config, `Host runcode.*\n  StrictHostKeyChecking no\n${text}`);
    const bad = await b.run(["config-ssh", "--check", "--json"]);
    expect([bad.exitCode, bad.json()]).toMatchObject([1, { ok: false, checks: [{ host: "runcode.demo", ok: false }] }]);
    const [check] = bad.json<{ checks: { overrides: { added: boolean }[] }[] }>().checks;
    expect(check?.overrides.filter(({ added }) => !added)).toMatchObject([
      { option: "stricthostkeychecking", wanted: "true", actual: "false", file: config, line: 2 },
    ]);
    expect((await b.run(["config-ssh", "--check"])).stdout).toContain(`(${config}:2)`);
    await writeFile(config, text);
  });

  test("--dry-run shows and writes nothing; a second run changes nothing; --remove gives everything back", async () => {
    const before = await stat(config);
    expect((await b.ok(["config-ssh", "--json"])).json()).toEqual({
      path: config,
      hosts: ["runcode.demo"],
      changed: false,
    });
    expect((await stat(config)).mtimeMs).toBe(before.mtimeMs);
    const dry = await b.ok(["config-ssh", "--remove", "--dry-run"]);
    expect(dry.stdout).toContain("-Include");
    expect((await stat(config)).mtimeMs).toBe(before.mtimeMs);
    expect((await b.ok(["config-ssh", "--remove", "--json"])).json()).toEqual({
      path: config,
      hosts: [],
      changed: true,
    });
    expect(await readFile(config, "utf8")).toBe(HOSTILE);
    expect(await readdir(path.join(b.home.dir, ".ssh"))).toEqual(["config"]);
    expect((await b.ok(["config-ssh", "--remove", "--json"])).json()).toMatchObject({ changed: false });
    expect((await b.run(["config-ssh", "--check", "--json"])).exitCode).toBe(1);
    await b.ok(["config-ssh", "--inline"]);
    expect((await ssh("runcode.demo", "echo inline")).stdout).toBe("inline");
  });

  test("thirty at once on an expired session all get in, on one new session", async () => {
    await expire();
    const before = Date.now();
    const ran = await Promise.all(Array.from({ length: 30 }, (_, i) => ssh("runcode.demo", `echo ${i}`)));
    expect(ran.map(({ stdout }) => stdout)).toEqual(ran.map((_, i) => String(i)));
    const { mintedAt } = JSON.parse(await readFile(path.join(b.sessionDir(id), "meta.json"), "utf8")) as {
      mintedAt: number;
    };
    expect(mintedAt).toBeGreaterThanOrEqual(before);
  });
});
