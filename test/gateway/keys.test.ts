// Who is let in, what their key allows, and how its time ends.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { world } from "./fixture.ts";
import type { World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world({ grantCheckMs: 50, expiredGraceMs: 60_000, connectionsPerGrant: 2, channelsPerConnection: 3 });
});
afterAll(() => w.close());

const loud = ["-o", "LogLevel=INFO"];

describe("who is let in", () => {
  test("a key that nobody registered is refused, with publickey as the only way offered", async () => {
    const { exitCode, stderr } = await w.ssh(["true"], { key: w.strangerKey() });
    expect([exitCode, stderr]).toEqual([255, expect.stringContaining("Permission denied (publickey).")]);
  });

  test("a key opens no other workspace, whether it exists or not", async () => {
    const [other, nowhere] = [w.key({ user: "other" }), w.key({ user: "nowhere" })];
    w.key({ title: "other" });
    const said = await Promise.all([other, nowhere].map((key) => w.ssh(["true"], { key })));
    expect(said.map(({ exitCode }) => exitCode)).toEqual([255, 255]);
    // Not a word in which the two differ.
    const words = said.map(({ stderr }) => String(stderr).replace(/^\S+@\S+: /, ""));
    expect(words[0]).toBe(words[1]);
  });

  test("an expired key is refused", async () => {
    const key = w.key({ expiresAt: Date.now() - 1 });
    expect((await w.ssh(["true"], { key })).stderr).toContain("Permission denied");
  });

  test("neither a password nor a questionnaire is ever asked for", async () => {
    const flags = ["-v", "-o", "PreferredAuthentications=keyboard-interactive,password"];
    const { stderr } = await w.ssh(["true"], { flags });
    expect(stderr).toContain("Authentications that can continue: publickey\n".trim());
    expect(stderr).not.toContain("Next authentication method: password");
  });

  test("the server names itself, and speaks strict key exchange and modern algorithms only", async () => {
    const { stderr } = await w.ssh(["true"], { flags: ["-vvv"] });
    expect(stderr).toContain("remote software version runcode_0.test");
    const offer = /peer server KEXINIT proposal([\s\S]*?)first_kex_follows/.exec(String(stderr))?.[1] ?? "";
    expect(offer).toContain("kex-strict-s-v00@openssh.com");
    expect(offer).toContain("curve25519-sha256");
    expect(offer).toContain("compression ctos: none");
    expect(offer).not.toMatch(/sha1|-cbc|arcfour|md5|group1-|group14|ssh-rsa|ssh-dss|zlib/);
  });

  test("the log knows of a refusal, and holds neither key nor command", async () => {
    await w.ssh(["echo very secret"], { key: w.strangerKey() });
    await w.ssh(["echo very secret"]);
    const text = JSON.stringify(w.log);
    expect(text).toContain('"denied"');
    expect(text).not.toMatch(/secret|AAAA/);
  });
});

describe("what a key allows", () => {
  test.each([
    ["exec", ["true"], []],
    ["shell", [], []],
    ["sftp", ["sftp"], ["-s"]],
  ] as const)("without %s it is refused in words, with 255", async (capability, words, flags) => {
    const rest = (["exec", "shell", "sftp", "forward", "agent-forward"] as const).filter((name) => name !== capability);
    const { exitCode, stderr } = await w.ssh(words, { key: w.key({ capabilities: new Set(rest) }), flags });
    expect([exitCode, stderr]).toEqual([
      255,
      expect.stringMatching(new RegExp(`^runcode: this key does not allow .*${capability}`)),
    ]);
  });

  test("without forward neither kind of forward opens", async () => {
    const key = w.key({ capabilities: new Set(["exec"]) });
    const { stderr } = await w.ssh([], { key, flags: [...loud, "-W", "127.0.0.1:1"] });
    expect(stderr).toContain("administratively prohibited: this key does not allow forwards");
    const reverse = await w.ssh(["true"], { key, flags: ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"] });
    expect(reverse.exitCode).toBe(255);
  });

  test("a workspace that is not running says so", async () => {
    const { exitCode, stderr } = await w.ssh(["true"], { key: w.key({ workspaceId: 2 }) });
    expect([exitCode, stderr]).toEqual([255, "runcode: workspace other is not running\n"]);
  });

  test("a connection too many for one key is told so", async () => {
    const key = w.key();
    const held = [1, 2].map(() => w.ssh(["echo up; cat"], { key, stdin: "pipe", buffer: false }));
    await Promise.all(held.map((ssh) => new Promise((resolve) => ssh.stdout?.once("data", resolve))));
    const { exitCode, stderr } = await w.ssh(["true"], { key, flags: loud });
    expect([exitCode, stderr]).toEqual([255, expect.stringContaining("this key has its 2 connections")]);
    for (const ssh of held) ssh.stdin?.end();
    expect((await Promise.all(held)).map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  });
});

describe("the end of a key's time", () => {
  test.each(["expires", "is revoked"])(
    "when it %s the running command ends well, and nothing new opens beside it",
    async (how) => {
      const key = w.key();
      const control = ["-o", `ControlPath=${key.file}.cm`];
      const command = w.ssh(["echo up; read -r line; echo got $line; exit 8"], {
        key,
        flags: [...control, "-M"],
        stdin: "pipe",
      });
      await new Promise((resolve) => command.stdout?.once("data", resolve));
      const { sessionId } = w.log.findLast((event) => event.event === "opened") ?? { sessionId: -1 };
      if (how === "is revoked") w.revoke(key);
      else w.expire(key);
      await w.event((event) => event.event === "expired" && event.sessionId === sessionId);
      const beside = await w.ssh(["true"], { key, flags: [...control, "-o", "ControlMaster=no", ...loud] });
      expect(beside.exitCode).toBe(255);
      command.stdin?.end("word\n");
      const { stdout, exitCode } = await command;
      expect([stdout, exitCode]).toEqual(["up\ngot word\n", 8]);
    },
  );

  test("a command that outstays the grace is ended, and the person is told", async () => {
    const short = await world({ grantCheckMs: 20, expiredGraceMs: 100 });
    const key = short.key();
    const command = short.ssh(["echo $$; exec sleep 1000"], { key });
    const pid = Number(await new Promise((resolve) => command.stdout?.once("data", (said) => resolve(String(said)))));
    short.expire(key);
    const { exitCode, stderr } = await command;
    expect([exitCode, stderr]).toEqual([255, expect.stringContaining("the session's key expired")]);
    expect(() => process.kill(pid, 0)).toThrow();
    await short.close();
  });
});
