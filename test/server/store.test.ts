import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate } from "../../src/server/store/migrations.ts";
import { openStore, type Store } from "../../src/server/store/index.ts";

const NOW = 1_900_000_000_000;
let dir: string;
let store: Store;
const open = (): Store => (store = openStore(path.join(dir, "runcode.db")));
const owner = (): number => store.accounts.insert({ email: "a@b", name: "A", tier: "t", role: "owner" }, NOW).id;
const workspace = (accountId: number, title: string) =>
  store.workspaces.insert({
    desired: "stopped",
    accountId,
    title,
    customTitle: null,
    image: null,
    flavor: "default",
    driver: "process",
    createdAt: NOW,
    container: null,
    command: null,
    environment: {},
    labels: {},
  });

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "rcs-"));
  open();
});
afterEach(async () => {
  store.close();
  await rm(dir, { recursive: true, force: true });
});

describe("the store", () => {
  test("keeps its files from everybody else, from birth and with its log", () => {
    owner();
    for (const suffix of ["", "-wal", "-shm"]) {
      expect([suffix, statSync(path.join(dir, `runcode.db${suffix}`)).mode & 0o777]).toEqual([suffix, 0o600]);
    }
  });

  test("finds everything again when it is opened a second time", () => {
    const id = owner();
    workspace(id, "calm-otter");
    store.settings.set("session_max_ttl", 60);
    store.close();
    open();
    expect(store.workspaces.byTitle("CALM-otter")?.title).toBe("calm-otter");
    expect(store.settings.get("session_max_ttl")).toBe(60);
    expect(store.accounts.owner()?.email).toBe("a@b");
  });

  test("keeps all of a transaction or none of it", () => {
    const id = owner();
    expect(() =>
      store.transaction(() => {
        workspace(id, "half-made");
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(store.workspaces.all()).toEqual([]);
  });

  test("refuses a title that differs only in case, and never gives an id twice", () => {
    const id = owner();
    const first = workspace(id, "calm-otter");
    expect(workspace(id, "Calm-Otter")).toBeNull();
    store.workspaces.delete(first?.id ?? 0);
    expect(workspace(id, "calm-otter")?.id).toBeGreaterThan(first?.id ?? Infinity);
  });

  test("forgets a deleted workspace's sessions with it", () => {
    const id = owner();
    const made = workspace(id, "w");
    const session = store.sessions.upsert({
      workspaceId: made?.id ?? 0,
      accountId: id,
      publicKey: new Uint8Array([1]),
      fingerprint: "f",
      capabilities: ["exec"],
      client: "c",
      createdAt: NOW,
      expiresAt: NOW + 1,
    });
    store.workspaces.delete(made?.id ?? 0);
    expect(store.sessions.get(session.id)).toBeNull();
  });

  test("refuses a setting that its schema refuses, in and out", () => {
    expect(() => store.settings.set("session_max_ttl", 0)).toThrow("session_max_ttl");
    const db = new Database(path.join(dir, "runcode.db"));
    db.run("INSERT INTO settings VALUES ('session_max_ttl', '\"soon\"')");
    db.close();
    expect(() => store.settings.get("session_max_ttl")).toThrow("session_max_ttl");
  });
});

describe("tokens", () => {
  test("are found by their text, and only as the kind they are", () => {
    const accountId = owner();
    const made = store.tokens.insert({ accountId, kind: "api", name: "n", now: NOW });
    expect(made.secret).toMatch(/^rc_[A-Za-z0-9_-]{43}$/);
    expect(store.tokens.find(made.secret, "api", NOW)?.id).toBe(made.id);
    expect(store.tokens.find(made.secret, "web", NOW)).toBeNull();
    const changed = made.secret.slice(0, -2) + (made.secret.endsWith("AA") ? "BB" : "AA");
    for (const wrong of [changed, `${made.secret}A`, made.secret.slice(3), ` ${made.secret}`, "", "rc_"]) {
      expect(store.tokens.find(wrong, "api", NOW)).toBeNull();
    }
  });

  test("end at their time, by deletion, and only once", () => {
    const accountId = owner();
    const made = store.tokens.insert({ accountId, kind: "login", name: "n", now: NOW, expiresAt: NOW + 10 });
    expect(store.tokens.find(made.secret, "login", NOW + 9)).not.toBeNull();
    expect(store.tokens.find(made.secret, "login", NOW + 10)).toBeNull();
    expect([store.tokens.delete(made.id), store.tokens.delete(made.id)]).toEqual([true, false]);
  });

  test("whose hash shares only the indexed part are not taken for the right one", () => {
    const accountId = owner();
    const made = store.tokens.insert({ accountId, kind: "api", name: "n", now: NOW });
    const db = new Database(path.join(dir, "runcode.db"));
    db.query("UPDATE tokens SET hash = zeroblob(32) WHERE id = ?").run(made.id);
    db.close();
    expect(store.tokens.find(made.secret, "api", NOW)).toBeNull();
  });
});

describe("migrations", () => {
  test("run once each, in order, from wherever the file stands", () => {
    const db = new Database(":memory:");
    migrate(db, ["CREATE TABLE a (x)"]);
    migrate(db, ["this would fail if it ran again", "INSERT INTO a VALUES (2)", "INSERT INTO a SELECT x + 1 FROM a"]);
    expect(db.query("SELECT x FROM a ORDER BY x").values()).toEqual([[2], [3]]);
    db.close();
  });

  test("leave the file as it was when a step fails, and the steps before it done", () => {
    const db = new Database(":memory:");
    expect(() => migrate(db, ["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"])).toThrow();
    expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: 1 });
    expect(db.query("SELECT name FROM sqlite_master").values()).toEqual([["a"]]);
    db.close();
  });

  test("leave alone a file that a newer program wrote", () => {
    store.close();
    const db = new Database(path.join(dir, "runcode.db"));
    db.run("PRAGMA user_version = 999");
    db.close();
    expect(() => openStore(path.join(dir, "runcode.db"))).toThrow("newer runcode");
    store = openStore(":memory:");
  });
});
