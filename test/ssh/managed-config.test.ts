import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { array, assert, asyncProperty, boolean, stringMatching } from "fast-check";
import { checkAliases } from "../../src/ssh/managed/check.ts";
import { hostLines, nameAliases } from "../../src/ssh/managed/hosts.ts";
import { installedAliases, planAliases, planRemoval } from "../../src/ssh/managed/index.ts";
import { describeWith } from "../harness/index.ts";

let home: string;
let ssh: string;
let config: string;
let own: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "rc-"));
  ssh = path.join(home, ".ssh");
  config = path.join(ssh, "config");
  own = path.join(ssh, "runcode.conf");
});
afterEach(() => rm(home, { recursive: true, force: true }));

type Wanted = Parameters<typeof planAliases>[1];
const dirOf = (id: number) => path.join(home, `cache 100%/ws-${id}`);
const wanted = ({
  workspaces = [
    { id: 1, title: "demo" },
    { id: 2, title: "Api.v2" },
  ],
  ...more
}: Partial<Omit<Wanted, "workspaces">> & { workspaces?: readonly { id: number; title: string }[] } = {}): Wanted => ({
  platform: "linux" as const,
  env: {},
  self: ["/opt/run code/runcode"],
  apiBase: "https://one.example.org",
  workspaces: workspaces.map((each) => ({ ...each, dir: dirOf(each.id) })),
  otherDir: (dir) => `${dir}-other`,
  inline: false,
  ...more,
});
const install = async (more = {}) => {
  const plan = await planAliases(ssh, wanted(more));
  return { plan, ...(await plan.apply()) };
};
const remove = async () => (await planRemoval(ssh)).apply();
/** Everything below the home: names, modes, contents. */
const picture = async () => {
  const names = ((await readdir(home, { recursive: true })) as string[]).sort();
  return Promise.all(
    names.map(async (name) => {
      const file = path.join(home, name);
      const stats = await lstat(file);
      const what = stats.isSymbolicLink()
        ? await readlink(file)
        : stats.isFile()
          ? createHash("sha256")
              .update(await readFile(file))
              .digest("hex")
          : "dir";
      return [name, stats.mode.toString(8), what];
    }),
  );
};

describe("the person's ~/.ssh/config", () => {
  test("gets one Include at its very top, and the hosts a file of their own that only the person can read", async () => {
    await mkdir(ssh, { mode: 0o700 });
    await writeFile(config, "User me\n\nHost *\n  Port 2\n");
    await install();
    expect(await readFile(config, "utf8")).toBe(
      `# >>> runcode config-ssh >>>\nInclude "${own}"\n# <<< runcode config-ssh <<<\nUser me\n\nHost *\n  Port 2\n`,
    );
    expect((await stat(own)).mode & 0o777).toBe(0o600);
    expect((await installedAliases(ssh)).hosts).toEqual(["runcode.demo", "runcode.Api.v2"]);
  });

  test.each([
    ["plain text", "Host *\n  Port 2\n"],
    ["Windows line ends", "Host *\r\n  Port 2\r\n"],
    ["no last line end", "Host x"],
    ["no last line end after Windows line ends", "Host x\r\nPort 1"],
    ["bytes that are no text", "Host x\n# \xff\xfe\xc3\n"],
    ["nothing at all", ""],
    ["only blank lines", "\n\n"],
  ])("comes back byte for byte: %s", async (_, text) => {
    for (const inline of [false, true]) {
      await mkdir(ssh, { recursive: true, mode: 0o700 });
      await writeFile(config, Buffer.from(text, "latin1"), { mode: 0o640 });
      await chmod(config, 0o640);
      const before = await picture();
      await install({ inline });
      expect(await picture()).not.toEqual(before);
      await remove();
      expect(await picture()).toEqual(before);
    }
  });

  test("comes back byte for byte, whatever was in it", async () => {
    await mkdir(ssh);
    const line = stringMatching(/^[ \t]*[A-Za-z#"= %é]{0,12}\r?$/);
    await assert(
      asyncProperty(array(line), boolean(), boolean(), async (lines, first, second) => {
        await writeFile(config, lines.join("\n"));
        await install({ inline: first });
        await install({ inline: second });
        await remove();
        expect(await readFile(config, "utf8")).toBe(lines.join("\n"));
      }),
      { numRuns: 50 },
    );
  });

  test("and its folder are made where they are missing, 0700 and 0600, and go again with --remove", async () => {
    await install();
    expect((await stat(ssh)).mode & 0o777).toBe(0o700);
    expect((await stat(config)).mode & 0o777).toBe(0o600);
    await install({ workspaces: [] });
    await remove();
    expect(await readdir(home)).toEqual([]);
  });

  test("stays when the person has written to it since we made it", async () => {
    await install();
    await writeFile(config, `${await readFile(config, "utf8")}Host mine\n`);
    await remove();
    expect(await readFile(config, "utf8")).toBe("Host mine\n");
  });

  test.each([[false], [true]])("is not touched by a second run (inline: %s)", async (inline) => {
    await mkdir(ssh);
    await writeFile(config, "Host x\n");
    await install({ inline });
    const [before, times] = [await picture(), await Promise.all([stat(config), stat(ssh)])];
    const { plan, backup } = await install({ inline });
    expect(plan.changes).toEqual([]);
    expect(backup).toBeNull();
    expect(await picture()).toEqual(before);
    expect((await stat(config)).mtimeMs).toBe(times[0].mtimeMs);
    expect((await stat(ssh)).mtimeMs).toBe(times[1].mtimeMs);
  });

  test("is backed up once, with its mode", async () => {
    await mkdir(ssh);
    await writeFile(config, "Host first\n", { mode: 0o600 });
    const { backup } = await install();
    expect(backup).toBe(`${config}.before-runcode`);
    expect(await readFile(backup as string, "utf8")).toBe("Host first\n");
    expect((await stat(backup as string)).mode & 0o777).toBe(0o600);
    await writeFile(config, `${await readFile(config, "utf8")}Host second\n`);
    expect((await install({ inline: true })).backup).toBeNull();
    expect(await readFile(backup as string, "utf8")).toBe("Host first\n");
  });

  test("stays a symlink, and the file behind it is what changes", async () => {
    await mkdir(ssh);
    await mkdir(path.join(home, "dotfiles"));
    const real = path.join(home, "dotfiles/ssh-config");
    await writeFile(real, "Host x\n");
    await symlink("../dotfiles/link", config);
    await symlink("ssh-config", path.join(home, "dotfiles/link"));
    const before = await picture();
    await install();
    expect((await lstat(config)).isSymbolicLink()).toBe(true);
    expect(await readFile(real, "utf8")).toContain("Include");
    await remove();
    expect(await picture()).toEqual(before);
  });

  test.each([
    ["# >>> runcode config-ssh >>>\nInclude x\nHost *\n", 1, "never ends"],
    ["Host x\n# <<< runcode config-ssh <<<\n", 2, "never began"],
    ["# >>> runcode config-ssh >>>\n# >>> runcode config-ssh >>>\n# <<< runcode config-ssh <<<\n", 2, "inside"],
    ["# >>> runcode config-ssh >>>\n# <<< runcode config-ssh <<<\n\n# >>> runcode config-ssh >>>\n", 4, "second"],
    ["a\n# <<< runcode config-ssh <<<\n# >>> runcode config-ssh >>>\n", 2, "never began"],
  ])("is refused, and left alone, when the markers are damaged: %j", async (text, line, why) => {
    await mkdir(ssh);
    await writeFile(config, text);
    const before = await picture();
    for (const plan of [() => planAliases(ssh, wanted()), () => planRemoval(ssh)]) {
      const error = await plan().then(
        () => null,
        (error: unknown) => error,
      );
      expect(error).toMatchObject({
        code: "config_invalid",
        message: expect.stringContaining(`config:${line}: `) as string,
      });
      expect((error as Error).message).toContain(why);
    }
    expect(await picture()).toEqual(before);
  });

  test("keeps the hosts of another control plane, and a taken name gets its id", async () => {
    await install();
    const { plan } = await install({
      apiBase: "https://two.example.org",
      workspaces: [
        { id: 1, title: "demo" },
        { id: 5, title: "x" },
      ],
    });
    expect(plan.hosts).toEqual(["runcode.demo", "runcode.Api.v2", "runcode.demo-1", "runcode.x"]);
    expect((await install()).plan.changes).toEqual([]);
    expect((await install({ workspaces: [] })).plan.hosts).toEqual(["runcode.demo-1", "runcode.x"]);
  });

  test("gives two workspaces of one number folders of their own, and holds the second's", async () => {
    await install();
    await install({ apiBase: "https://two.example.org", workspaces: [{ id: 1, title: "x" }] });
    const { lines } = await installedAliases(ssh);
    const keys = lines.filter((line) => line.endsWith('/id_ed25519"'));
    expect(new Set(keys).size).toBe(3);
    expect((await stat(`${dirOf(1)}-other`)).isDirectory()).toBe(true);
    expect((await install()).plan.changes).toEqual([]);
  });

  test("moves the block back to the top when it was moved", async () => {
    await mkdir(ssh);
    await install();
    const block = await readFile(config, "utf8");
    await writeFile(config, `Host *\n  User other\n${block}`);
    await install();
    expect(await readFile(config, "utf8")).toBe(`${block}Host *\n  User other\n`);
  });

  test("names the way out where an Include cannot name our file", async () => {
    await expect(planAliases(path.join(home, "a*b/.ssh"), wanted())).rejects.toMatchObject({
      code: "config_invalid",
      hint: "runcode config-ssh --inline",
    });
  });
});

describe("the block of one alias", () => {
  test("two workspaces of one title both have a name", () => {
    expect(
      nameAliases(
        [
          { id: 1, title: "a" },
          { id: 2, title: "a" },
        ],
        new Set(),
      ).map(({ alias }) => alias),
    ).toEqual(["runcode.a", "runcode.a-2"]);
  });

  test("carries the places that the environment named, so that an editor started from a desktop finds them", () => {
    const lines = hostLines(
      { alias: "runcode.a", workspaceId: 1, title: "a", dir: "/c/ws-1" },
      { ...wanted({ env: { XDG_CACHE_HOME: "/my cache", XDG_CONFIG_HOME: "relative" } }) },
    );
    expect(lines).toContain(
      "  ProxyCommand env 'XDG_CACHE_HOME=/my cache' '/opt/run code/runcode' --api-base https://one.example.org proxy 1",
    );
  });

  test("on Windows has slashes, double quotes and its null device", () => {
    const lines = hostLines(
      { alias: "runcode.a", workspaceId: 1, title: "a", dir: "C:\\Users\\Ann B\\ws-1" },
      { ...wanted(), platform: "win32", self: ["C:\\Program Files\\runcode\\runcode.exe"] },
    );
    expect(lines).toContain(
      '  ProxyCommand "C:/Program Files/runcode/runcode.exe" --api-base https://one.example.org proxy 1',
    );
    expect(lines).toContain('  IdentityFile "C:/Users/Ann B/ws-1/id_ed25519"');
    expect(lines).toContain("  GlobalKnownHostsFile NUL");
  });

  test("is refused where a path cannot be said to ssh", () => {
    const host = { alias: "runcode.a", workspaceId: 1, title: "a", dir: "/c" };
    for (const [dir, self] of [
      ['/a"b', "/runcode"],
      ["/a${b}", "/runcode"],
      ["/a", "/run\ncode"],
    ] as const)
      expect(() => hostLines({ ...host, dir }, wanted({ self: [self] }))).toThrow(
        expect.objectContaining({ code: "config_invalid" }),
      );
  });
});

describeWith("ssh")("what the system's ssh makes of it", () => {
  const HOSTILE = [
    "Host *",
    "  ProxyJump bastion",
    "  RemoteCommand touch /tmp/never",
    "  ControlPath ~/.ssh/cm-%C",
    "  ControlMaster auto",
    "  User somebody",
    "  StrictHostKeyChecking no",
    "  UserKnownHostsFile /dev/null",
    "  ForwardAgent yes",
    "  RequestTTY force",
    "  LogLevel QUIET",
    "  HostName elsewhere.example.org",
    "  IdentityAgent /tmp/agent",
    "  AddKeysToAgent yes",
    "",
  ].join("\n");
  const check = async (hosts = ["runcode.demo", "runcode.Api.v2"]) => {
    const { lines } = await installedAliases(ssh);
    return checkAliases({
      config,
      hosts,
      lines,
      env: { PATH: process.env["PATH"] },
      signal: new AbortController().signal,
    });
  };

  test.each([[false], [true]])("a hostile Host * below overrides nothing (inline: %s)", async (inline) => {
    await mkdir(ssh, { mode: 0o700 });
    await writeFile(config, HOSTILE, { mode: 0o600 });
    await install({ inline });
    expect(await check()).toEqual([
      { host: "runcode.demo", ok: true, overrides: [] },
      { host: "runcode.Api.v2", ok: true, overrides: [] },
    ]);
  });

  test("a line that came to stand above ours is named, with its file and number, also in an included file", async () => {
    await mkdir(ssh, { mode: 0o700 });
    await install();
    const extra = path.join(home, "extra");
    await writeFile(extra, "# mine\nHost other\n  Port 5\nHost runcode.*\n  # here\n  ForwardAgent yes\n", {
      mode: 0o600,
    });
    await writeFile(
      config,
      `StrictHostKeyChecking no\nInclude ${extra}\nMatch user nobody\n  User x\nHost run*\n  User somebody\n${await readFile(config, "utf8")}`,
    );
    const [demo] = await check(["runcode.demo"]);
    expect(demo?.ok).toBe(false);
    expect(demo?.overrides).toEqual(
      [
        { option: "forwardagent", wanted: "no", actual: "yes", file: extra, line: 6, added: false },
        { option: "stricthostkeychecking", wanted: "true", actual: "false", file: config, line: 1, added: false },
        { option: "user", wanted: "demo", actual: "somebody", file: config, line: 6, added: false },
      ].map((each) => expect.objectContaining(each) as unknown),
    );
  });

  test("values that only stand beside ours are named and are no failure", async () => {
    await mkdir(ssh, { mode: 0o700 });
    await writeFile(config, "Host *\n  IdentityFile ~/.ssh/id_mine\n  LocalForward 8080 localhost:80\n", {
      mode: 0o600,
    });
    await install();
    const [demo] = await check(["runcode.demo"]);
    expect(demo?.ok).toBe(true);
    expect(demo?.overrides.map(({ option, line, added }) => [option, line, added])).toEqual([
      ["identityfile", 5, true],
      ["localforward", 6, true],
    ]);
  });

  test("what the person said for all other hosts still holds for them", async () => {
    await mkdir(ssh, { mode: 0o700 });
    await writeFile(config, "Port 2200\nHost x\n  User y\n", { mode: 0o600 });
    const { execa } = await import("execa");
    const ask = async (host: string) => (await execa("ssh", ["-F", config, "-G", host])).stdout;
    const before = [await ask("x"), await ask("z")];
    for (const inline of [true, false]) {
      await install({ inline });
      expect([await ask("x"), await ask("z")]).toEqual(before);
    }
  });

  test("a configuration that ssh refuses is a clear error", async () => {
    await mkdir(ssh, { mode: 0o700 });
    await writeFile(config, "Nonsense yes\n", { mode: 0o600 });
    await install();
    await expect(check()).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining("nonsense") as string,
    });
  });
});
