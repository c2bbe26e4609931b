import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { resolvePaths } from "../../src/platform/paths.ts";
import { checkBase, loadSettings, saveProfile } from "../../src/platform/settings.ts";

describe("where things are kept", () => {
  test("Linux and macOS keep them alike", () => {
    for (const platform of ["linux", "darwin"] as const) {
      expect(resolvePaths({}, platform, "/home/ada")).toEqual({
        home: "/home/ada",
        config: "/home/ada/.config/runcode",
        cache: "/home/ada/.cache/runcode",
        state: "/home/ada/.local/state/runcode",
        ssh: "/home/ada/.ssh",
      });
    }
  });

  test("Windows has the roaming folder for config and the local one for the rest", () => {
    const env = { APPDATA: "C:\\Users\\ada\\AppData\\Roaming", LOCALAPPDATA: "C:\\Users\\ada\\AppData\\Local" };
    expect(resolvePaths(env, "win32", "C:\\Users\\ada")).toEqual({
      home: "C:\\Users\\ada",
      config: "C:\\Users\\ada\\AppData\\Roaming\\runcode",
      cache: "C:\\Users\\ada\\AppData\\Local\\runcode\\cache",
      state: "C:\\Users\\ada\\AppData\\Local\\runcode\\state",
      ssh: "C:\\Users\\ada\\.ssh",
    });
  });

  test("an explicit XDG place wins everywhere, a relative one is ignored", () => {
    expect(resolvePaths({ XDG_CACHE_HOME: "/c" }, "darwin", "/h").cache).toBe("/c/runcode");
    expect(resolvePaths({ XDG_CACHE_HOME: "D:\\c" }, "win32", "C:\\h").cache).toBe("D:\\c\\runcode");
    expect(resolvePaths({ XDG_CACHE_HOME: "c" }, "linux", "/h").cache).toBe("/h/.cache/runcode");
  });
});

describe("which control plane", () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "rc-settings-"));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  const paths = resolvePaths({ XDG_CONFIG_HOME: dir }, "linux", "/nowhere");

  test("flags win over the environment, that over the profile, that over the public service", async () => {
    expect(await loadSettings(paths, { env: {}, flags: {} })).toEqual({
      profile: "default",
      apiBase: "https://app.runcode.io",
      webBase: "https://runcode.io",
    });
    await saveProfile(paths, { profile: "own", apiBase: "https://own.example", webBase: "https://web.example" });
    expect(await loadSettings(paths, { env: {}, flags: {} })).toMatchObject({
      profile: "own",
      apiBase: "https://own.example",
      webBase: "https://web.example",
    });
    const env = { RUNCODE_API_BASE: "https://env.example/" };
    expect(await loadSettings(paths, { env, flags: {} })).toMatchObject({
      apiBase: "https://env.example",
      webBase: "https://env.example",
    });
    expect(await loadSettings(paths, { env, flags: { apiBase: "http://127.0.0.1:7070" } })).toMatchObject({
      apiBase: "http://127.0.0.1:7070",
    });
    expect(await loadSettings(paths, { env: { RUNCODE_PROFILE: "default" }, flags: {} })).toMatchObject({
      apiBase: "https://app.runcode.io",
    });
  });

  test("a profile that is named and not there is an error that says which there are, never the public service", async () => {
    const wrong = { code: "config_invalid", message: "there is no profile owm", hint: expect.stringContaining("own;") };
    await expect(loadSettings(paths, { env: {}, flags: { profile: "owm" } })).rejects.toMatchObject(wrong);
    await expect(loadSettings(paths, { env: { RUNCODE_PROFILE: "owm" }, flags: {} })).rejects.toMatchObject(wrong);
    await expect(loadSettings(paths, { env: {}, flags: { profile: "constructor" } })).rejects.toMatchObject({
      code: "config_invalid",
    });
    const based = { profile: "owm", apiBase: "https://given.example" };
    expect(await loadSettings(paths, { env: {}, flags: based })).toMatchObject(based);
    expect(await loadSettings(paths, { env: {}, flags: { profile: "owm" }, newProfile: true })).toMatchObject({
      profile: "owm",
      apiBase: "https://app.runcode.io",
    });
  });

  test("two profiles stand side by side", async () => {
    await saveProfile(paths, { profile: "a", apiBase: "https://a.example", webBase: "https://a.example" });
    await saveProfile(paths, { profile: "b", apiBase: "https://b.example", webBase: "https://b.example" });
    expect((await loadSettings(paths, { env: {}, flags: { profile: "a" } })).apiBase).toBe("https://a.example");
    expect((await loadSettings(paths, { env: {}, flags: {} })).apiBase).toBe("https://b.example");
  });

  test("a damaged file is named, not thrown away", async () => {
    const broken = resolvePaths({ XDG_CONFIG_HOME: path.join(dir, "broken") }, "linux", "/nowhere");
    await saveProfile(broken, { profile: "a", apiBase: "https://a.example", webBase: "https://a.example" });
    writeFileSync(path.join(broken.config, "config.json"), "{");
    await expect(loadSettings(broken, { env: {}, flags: {} })).rejects.toMatchObject({ code: "config_invalid" });
  });

  test.each([
    "https://x.example",
    "http://localhost:1",
    "http://127.0.0.1",
    "http://127.9.9.9:81/x",
    "http://[::1]:7070",
  ])("%s is a base", (base) => {
    expect(checkBase(`${base}/`)).toBe(base);
  });

  test.each([
    ["http://x.example", "insecure_base"],
    ["http://localhost.evil.example", "insecure_base"],
    ["http://127.0.0.1.evil.example", "insecure_base"],
    ["http://0.0.0.0", "insecure_base"],
    ["ftp://localhost", "insecure_base"],
    ["file:///etc/passwd", "insecure_base"],
    ["https://user:pw@x.example", "usage"],
    ["https://x.example/?a=b", "usage"],
    ["x.example", "usage"],
    ["", "usage"],
  ])("%s is refused as %s", (base, code) => {
    expect(() => checkBase(base)).toThrow(expect.objectContaining({ code }));
  });
});
