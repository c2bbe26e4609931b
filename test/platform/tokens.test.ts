// Which token wins, where one is kept, and a keychain that is broken, silent or forgetful.
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mayHaveKeychain, systemKeychain, type Secrets } from "../../src/platform/keychain.ts";
import { tokenStore } from "../../src/platform/token-store.ts";
import { DEFAULT_API_BASE } from "../../src/protocol/constants.ts";

const BASE = "https://rc.example.org";
let configDir: string;
beforeEach(async () => {
  configDir = await mkdtemp(path.join(os.tmpdir(), "tok-"));
});
afterEach(() => rm(configDir, { recursive: true, force: true }));

const store = (more: Partial<Parameters<typeof tokenStore>[0]> = {}): ReturnType<typeof tokenStore> =>
  tokenStore({ configDir, flag: undefined, env: {}, keychain: null, ...more });

/** A keychain of this process: the same interface as the runtime's. */
function memory(): Secrets & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    get: async ({ name }) => kept.get(name) ?? null,
    set: async ({ name, value }) => void kept.set(name, value),
    delete: async ({ name }) => kept.delete(name),
  };
}
const silent: Secrets = {
  get: () => new Promise(() => {}),
  set: () => new Promise(() => {}),
  delete: () => new Promise(() => {}),
};
const broken: Secrets = {
  get: () => Promise.reject(new Error("no bus")),
  set: () => Promise.reject(new Error("no bus")),
  delete: () => Promise.reject(new Error("no bus")),
};
const forgetful: Secrets = { get: async () => null, set: async () => {}, delete: async () => false };

test("the flag wins over the environment, that over the keychain, that over the file", async () => {
  const secrets = memory();
  await store().set(BASE, "file", { insecure: true });
  secrets.kept.set(BASE, "keychain");
  const keychain = systemKeychain(secrets);
  const env = { RUNCODE_TOKEN: "environment" };
  expect(await store({ flag: "flag", env, keychain }).get(BASE)).toEqual({ token: "flag", from: "flag" });
  expect(await store({ env, keychain }).get(BASE)).toEqual({ token: "environment", from: "environment" });
  expect(await store({ keychain }).get(BASE)).toEqual({ token: "keychain", from: "keychain" });
  expect(await store().get(BASE)).toEqual({ token: "file", from: "file" });
  expect(await store().get("https://elsewhere.example")).toBeNull();
});

test("the public service's file is called token, every other control plane has its own, all of them private", async () => {
  const bases = [
    DEFAULT_API_BASE,
    BASE,
    `${BASE}:8443`,
    `${BASE}/sub`,
    "http://[::1]:80",
    `${BASE}/${"x".repeat(300)}`,
  ];
  for (const base of bases) await store().set(base, `for ${base}`, { insecure: true });
  for (const base of bases) expect((await store().get(base))?.token).toBe(`for ${base}`);
  expect(await readFile(path.join(configDir, "token"), "utf8")).toBe(`for ${DEFAULT_API_BASE}\n`);
  const files = await readdir(path.join(configDir, "tokens"));
  expect(files).toHaveLength(bases.length - 1);
  for (const file of files) expect((await stat(path.join(configDir, "tokens", file))).mode & 0o777).toBe(0o600);
});

test("a keychain takes the token, and the file that was there goes", async () => {
  await store().set(BASE, "old", { insecure: true });
  const keychain = systemKeychain(memory());
  expect(await store({ keychain }).set(BASE, "new", { insecure: false })).toBe("keychain");
  expect(await readdir(path.join(configDir, "tokens"))).toEqual([]);
  expect(await store({ keychain }).remove(BASE)).toEqual(["keychain"]);
  expect(await store({ keychain }).get(BASE)).toBeNull();
});

test("asking for the file takes the token out of the keychain, where it would win", async () => {
  const keychain = systemKeychain(memory());
  await store({ keychain }).set(BASE, "old", { insecure: false });
  expect(await store({ keychain }).set(BASE, "new", { insecure: true })).toBe("file");
  expect(await store({ keychain }).get(BASE)).toEqual({ token: "new", from: "file" });
});

test.each([
  ["silent", silent],
  ["broken", broken],
  ["forgetful", forgetful],
])("with a keychain that is %s the file is used, and nothing waits", async (_, secrets) => {
  const keychain = systemKeychain(secrets, 20);
  expect(await store({ keychain }).set(BASE, "t", { insecure: false })).toBe("file");
  expect(await store({ keychain }).get(BASE)).toEqual({ token: "t", from: "file" });
  expect(await store({ keychain }).remove(BASE)).toEqual(["file"]);
});

test("a keychain is only looked for where one can be", () => {
  expect(mayHaveKeychain({}, "linux")).toBe(false);
  expect(mayHaveKeychain({ XDG_RUNTIME_DIR: configDir }, "linux")).toBe(false);
  expect(mayHaveKeychain({ DBUS_SESSION_BUS_ADDRESS: "unix:path=/x" }, "linux")).toBe(true);
  expect(mayHaveKeychain({ DBUS_SESSION_BUS_ADDRESS: "unix:path=/x", RUNCODE_NO_KEYCHAIN: "1" }, "linux")).toBe(false);
  expect(mayHaveKeychain({}, "darwin")).toBe(true);
  expect(mayHaveKeychain({}, "win32")).toBe(true);
  expect(mayHaveKeychain({}, "freebsd")).toBe(false);
});
