// The volumes of homes: which are removed at a server's start, which are given to a new workspace, and whose ids they have.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { DockerDriver } from "../../src/server/sandboxes/docker/driver.ts";
import type { SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { BUSYBOX, describeEngines, OWN_KINDS } from "../harness/engines.ts";
import { BINARY, ownEngine } from "../harness/index.ts";
import { driverOn, run, subject, type Subject } from "./subjects.ts";

describeEngines(
  (kind) => `homes on ${kind}`,
  (kind, address) => {
    let on: Subject;
    let engine: Engine;
    let owner: string;
    beforeAll(async () => {
      on = await subject(`docker@${kind}`, { image: BUSYBOX });
      await on.driver.create(on.spec());
      await on.driver.probe();
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
    });
    afterAll(async () => {
      await on.close();
      await engine.close();
    });
    const volumeOf = (id: number): string => `runcode-${owner}-${id}-home`;
    /** As a create leaves it whose answer never came. */
    const orphan = async (id: number): Promise<void> => {
      const Labels = { "runcode.server": owner, "runcode.workspace": String(id) };
      await engine.api.createVolume({ Name: volumeOf(id), Labels });
    };
    const isThere = async (id: number): Promise<boolean> =>
      ((await engine.api.listVolumes()).Volumes ?? []).some(({ Name }) => Name === volumeOf(id));

    test("a server's start removes a home that was never used, keeps one that was, and says how to remove it", async () => {
      const spec = on.spec();
      await on.driver.create(spec);
      const sandbox = await on.driver.start(spec);
      await run(sandbox, "echo kept > workspace/file");
      await orphan(9001);
      const left = await on.driver.reconcile?.((id) => id < 9000 && id !== spec.id);
      expect(await sandbox.ended).toMatchObject({ reason: expect.stringMatching(/removed|ended/) as string });
      expect(left).toEqual([expect.stringContaining(`${await engine.kind()} volume rm ${volumeOf(spec.id)}`)]);
      expect([await isThere(9001), await isThere(spec.id)]).toEqual([false, true]);
      expect(await on.driver.reconcile?.((id) => id < 9000)).toEqual([]);
      const again = await on.driver.start(spec);
      expect((await run(again, "cat workspace/file")).stdout).toBe("kept\n");
      await again.stop({ graceMs: 0 });
    });

    test("a new workspace takes a home of its number that was never used, and none with the files of another", async () => {
      const [spec, used] = [{ ...on.spec(), id: 9002 }, on.spec()];
      await orphan(spec.id);
      await on.driver.create(spec);
      const sandbox = await on.driver.start(spec);
      await sandbox.stop({ graceMs: 0 });
      await on.driver.delete(spec);

      await on.driver.create(used);
      await (await on.driver.start(used)).stop({ graceMs: 0 });
      await rm(path.join(on.dataDir, "workspaces", String(used.id)), { recursive: true });
      await expect(on.driver.create(used)).rejects.toMatchObject({
        code: "conflict",
        message: expect.stringContaining(volumeOf(used.id)) as string,
      });
    });

    test("a start whose home was removed says which is missing, until its record is removed too", async () => {
      const spec = on.spec();
      await on.driver.create(spec);
      await (await on.driver.start(spec)).stop({ graceMs: 0 });
      await engine.api.getVolume(volumeOf(spec.id)).remove();
      const record = path.join(on.dataDir, "workspaces", String(spec.id), "engine-home.json");
      const next = await driverOn(`docker@${kind}`, on.dataDir, { image: BUSYBOX });
      onTestFinished(async () => await next.close());
      for (const driver of [on.driver, next]) {
        await driver.create(spec);
        await expect(driver.start(spec)).rejects.toMatchObject({
          code: "start_failed",
          message: expect.stringContaining(volumeOf(spec.id)) as string,
          hint: expect.stringContaining(`rm ${record}`) as string,
        });
      }
      expect(await isThere(spec.id)).toBe(false);
      await rm(record);
      await (await next.start(spec)).stop({ graceMs: 0 });
      expect(await isThere(spec.id)).toBe(true);
    });
  },
);

describeEngines(
  () => "the ids of a Podman that has given all of them away",
  (kind) => {
    test("a start fails that would go without a user namespace where the server said that there is one", async () => {
      const own = await ownEngine(kind);
      const engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
      const dataDir = await mkdtemp(path.join(tmpdir(), "runcode-ids-"));
      const options = { address: own.address, image: BUSYBOX, network: "none", hardening: {} };
      const driver = new DockerDriver({ dataDir, self: [BINARY] }, options);
      onTestFinished(async () => {
        await driver.close();
        await engine.close();
        await own.close();
        await rm(dataDir, { recursive: true, force: true });
      });
      expect((await driver.probe()).detail).toContain("a user namespace for each workspace");
      const ids = (await Bun.file("/etc/subuid").text()).match(/^containers:(\d+):(\d+)$/m) ?? [];
      const map = [{ container_id: 0, host_id: Number(ids[1]), size: Number(ids[2]) }];
      // One that has all of them, and is never started.
      const made = await fetch("http://engine/v4.0.0/libpod/containers/create", {
        unix: own.address.slice("unix://".length),
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          image: BUSYBOX,
          command: ["/never"],
          userns: { nsmode: "private" },
          idmappings: { UIDMap: map, GIDMap: map },
        }),
      });
      const { Id } = (await made.json()) as { Id: string };
      const spec: SandboxSpec = { id: 1, title: "box", image: null, limits: {} };
      await driver.create(spec);
      await expect(driver.start(spec)).rejects.toMatchObject({
        code: "start_failed",
        message: expect.stringContaining("no user ids left") as string,
        hint: expect.stringContaining("/etc/subuid") as string,
      });
      await engine.api.getContainer(Id).remove({ force: true });
      const sandbox = await driver.start(spec);
      expect((await run(sandbox, ["cat", "/proc/self/uid_map"])).stdout).not.toMatch(/^\s*0\s+0\s/);
      await sandbox.stop({ graceMs: 0 });
      await driver.delete(spec);
    });
  },
  // Rootless, all ids are the account's already.
  OWN_KINDS.filter((kind) => kind === "podman"),
);
