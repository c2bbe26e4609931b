import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Grant } from "../../src/server/workspaces/access.ts";
import { sessionKey, testPlane, type TestPlane } from "./plane.ts";

let t: TestPlane;
let id: number;
const key = sessionKey();
beforeEach(async () => {
  t = await testPlane();
  ({ id } = await t.plane.workspaces.create(t.account, { title: "calm-otter" }));
  await t.plane.workspaces.start(t.account, id);
  t.plane.sessions.mint(t.account, id, { public_key: key.line, ttl: 60, client: "cli" });
});
afterEach(() => t.close());

const enter = (): Grant => {
  const grant = t.plane.access.authenticate("calm-otter", key.blob);
  if (!grant) throw new Error("the key was refused");
  return grant;
};

describe("a session key", () => {
  test("opens its workspace, with its capabilities and until its end", () => {
    expect(enter()).toEqual({
      sessionId: expect.any(Number),
      workspaceId: id,
      title: "calm-otter",
      expiresAt: t.clock.time + 60_000,
      capabilities: new Set(["exec", "shell", "sftp", "forward"]),
    });
  });

  test("opens nothing under another name, even of another workspace of the same account", async () => {
    const other = await t.plane.workspaces.create(t.account, { title: "other" });
    await t.plane.workspaces.start(t.account, other.id);
    for (const name of ["other", "Calm-Otter", "calm-otte", "calm-otter ", "", "root", "calm-otter\u0000"]) {
      expect(t.plane.access.authenticate(name, key.blob)).toBeNull();
    }
    expect(t.plane.access.authenticate("calm-otter", sessionKey().blob)).toBeNull();
    expect(t.plane.access.authenticate("calm-otter", Buffer.alloc(0))).toBeNull();
  });

  test("registered for two workspaces opens each under its own name", async () => {
    const other = await t.plane.workspaces.create(t.account, { title: "other" });
    await t.plane.workspaces.start(t.account, other.id);
    t.plane.sessions.mint(t.account, other.id, { public_key: key.line, ttl: 60, client: "cli" });
    expect(t.plane.access.authenticate("other", key.blob)?.workspaceId).toBe(other.id);
    expect(enter().workspaceId).toBe(id);
  });

  test("opens nothing from the moment on at which it expires", () => {
    const grant = enter();
    t.clock.time += 59_999;
    expect(t.plane.access.stands(grant)).toBe(true);
    t.clock.time += 1;
    expect(t.plane.access.stands(grant)).toBe(false);
    expect(t.plane.access.authenticate("calm-otter", key.blob)).toBeNull();
  });

  test("opens nothing once it is revoked, or its workspace deleted", async () => {
    const grant = enter();
    t.plane.sessions.revoke(t.account, id, grant.sessionId);
    expect(t.plane.access.stands(grant)).toBe(false);
    expect(t.plane.access.authenticate("calm-otter", key.blob)).toBeNull();

    t.plane.sessions.mint(t.account, id, { public_key: key.line, ttl: 60, client: "cli" });
    const again = enter();
    await t.plane.workspaces.delete(t.account, id, { force: true });
    expect(t.plane.access.stands(again)).toBe(false);
    await expect(t.plane.access.sandbox(id)).rejects.toThrow(`there is no workspace ${id}`);
  });

  test("leads to no sandbox while there is none", async () => {
    expect((await t.plane.access.sandbox(id)).workdir).toMatch(/^\//);
    await t.plane.workspaces.stop(t.account, id);
    await expect(t.plane.access.sandbox(id)).rejects.toThrow("is stopped");
  });

  test("shows its connections while they are open", () => {
    const leave = t.plane.access.connected(enter(), "192.0.2.1");
    const connections = (): unknown => t.plane.sessions.list(t.account, id)[0]?.connections;
    expect(connections()).toEqual([{ from: "192.0.2.1", since: t.clock.time }]);
    t.clock.time += 3_600_000;
    expect(connections()).toHaveLength(1);
    leave();
    leave();
    expect(t.plane.sessions.list(t.account, id)).toEqual([]);
  });
});
