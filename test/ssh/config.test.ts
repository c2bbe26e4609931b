// The session's config as the system's own ssh reads it, and where its control socket may lie.
import { execa } from "execa";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sessionConfig, type ConfigSource } from "../../src/ssh/config.ts";
import { chooseControlPath, fitsSocket } from "../../src/ssh/control-path.ts";
import { describeWith } from "../harness/tools.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "cfg-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const uid = process.getuid?.() ?? 0;
const source = (folder: string): ConfigSource => ({
  alias: "runcode-demo",
  host: "gw.example.org",
  port: 2222,
  user: "demo",
  identityFile: `${folder}/id_ed25519`,
  certificateFile: `${folder}/id_ed25519-cert.pub`,
  knownHostsFile: `${folder}/known_hosts`,
  controlPath: `${folder}/m1`,
  persistSeconds: 1799.5,
});

describeWith("ssh")("ssh -G, given the config", () => {
  test.each(["/plain", "/with space", "/100%d%h", "/it's", "/back\\slash\\\\twice", "/$HOME/~x", "/#hash", "/ünïcode"])(
    "reads every path below %s as it was meant",
    async (folder) => {
      const file = path.join(dir, "config");
      await writeFile(file, sessionConfig(source(folder), "linux"));
      const { stdout } = await execa("ssh", ["-G", "-F", file, "runcode-demo"]);
      const said = new Map(stdout.split("\n").map((line) => [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)]));
      // ssh -G shows tokens unexpanded but for ControlPath's; %% stands for one %.
      const plain = (key: string): string | undefined => said.get(key)?.replaceAll("%%", "%");
      expect(plain("identityfile")).toBe(`${folder}/id_ed25519`);
      expect(plain("certificatefile")).toBe(`${folder}/id_ed25519-cert.pub`);
      expect(plain("userknownhostsfile")).toBe(`${folder}/known_hosts`);
      expect(plain("controlpath")).toBe(`${folder}/m1`);
      expect(Object.fromEntries(said)).toMatchObject({
        hostname: "gw.example.org",
        port: "2222",
        user: "demo",
        identitiesonly: "yes",
        globalknownhostsfile: "/dev/null",
        stricthostkeychecking: "true",
        batchmode: "yes",
        forwardagent: "no",
        controlmaster: "auto",
        controlpersist: "1799",
        updatehostkeys: "false",
      });
    },
  );
});

test.each(['/a"b', "/a\nProxyCommand x", "/a${HOME}b", "/a\0b"])("a path like %j is refused", (folder) => {
  expect(() => sessionConfig(source(folder), "linux")).toThrow(/cannot be told/);
});

test("on Windows there is no master, the null device is NUL, and paths have slashes", () => {
  const text = sessionConfig(source("C:\\Users\\A B\\cache"), "win32");
  expect(text).not.toMatch(/Control/);
  expect(text).toContain("GlobalKnownHostsFile NUL\n");
  expect(text).toContain('IdentityFile "C:/Users/A B/cache/id_ed25519"\n');
});

describe("the control path", () => {
  const choose = (folder: string, more: { runtimeDir?: string; temporary?: string; identity?: string } = {}) =>
    chooseControlPath({ dir: folder, identity: "a", runtimeDir: undefined, uid, temporary: dir, ...more });

  test("lies in the session's folder while that is short", async () => {
    const short = path.join(dir, "s");
    expect(path.dirname(await choose(short))).toBe(short);
  });

  test("is another one for another key, host, port, user or control plane", async () => {
    expect(await choose(dir, { identity: "b" })).not.toBe(await choose(dir));
  });

  test.each([60, 80, 100, 150, 250])("fits a socket when the folder's name has %i characters", async (length) => {
    const chosen = await choose(`/${"ö".repeat(length / 2)}`);
    expect(fitsSocket(chosen)).toBe(true);
    expect(Buffer.byteLength(chosen) + 17).toBeLessThan(104);
  });

  test("goes below XDG_RUNTIME_DIR when the folder's name is long, in a folder of ours alone", async () => {
    const runtimeDir = path.join(dir, "run");
    await mkdir(runtimeDir, { mode: 0o700, recursive: true });
    const chosen = await choose(`/${"x".repeat(100)}`, { runtimeDir });
    expect(path.dirname(chosen)).toBe(path.join(runtimeDir, "runcode"));
    expect((await stat(path.dirname(chosen))).mode & 0o777).toBe(0o700);
  });

  test.each<[string, (squat: string) => Promise<unknown>]>([
    ["a link", (squat) => symlink(dir, squat)],
    ["open to others", (squat) => mkdir(squat).then(() => execa("chmod", ["0777", squat]))],
    ["a file", (squat) => writeFile(squat, "")],
  ])("avoids the folder below /tmp when what sits there is %s", async (_, squat) => {
    const temporary = await mkdtemp(path.join(dir, "t"));
    const long = `/${"y".repeat(100)}`;
    const usual = path.dirname(await choose(long, { temporary }));
    await rm(usual, { recursive: true });
    await squat(usual);
    const chosen = path.dirname(await choose(long, { temporary }));
    expect(chosen).not.toBe(usual);
    expect((await stat(chosen)).mode & 0o777).toBe(0o700);
  });
});
