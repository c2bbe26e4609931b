import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { openStore } from "../../src/server/store/index.ts";
import { altered, codeOf, gated } from "./drivers.ts";
import { testPlane, type TestPlane } from "./plane.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const plane = async (...args: Parameters<typeof testPlane>): Promise<TestPlane> => {
  const made = await testPlane(...args);
  open.push(made);
  return made;
};

describe("a server that starts again", () => {
  /** Two lives over one store and one directory. */
  const lives = async (): Promise<{
    live: (options?: Parameters<typeof testPlane>[0]) => Promise<TestPlane>;
    dir: string;
  }> => {
    const dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "rcl-")));
    const store = openStore(":memory:");
    open.push({
      close: async () => {
        store.close();
        await rm(dir, { recursive: true, force: true });
      },
    });
    return { live: (options) => plane({ ...options, store, dir }), dir };
  };

  test("brings back what ran, and leaves stopped what was stopped", async () => {
    const { live } = await lives();
    const first = await live();
    const ran = await first.plane.workspaces.create(first.account, { title: "ran" });
    const rested = await first.plane.workspaces.create(first.account, { title: "rested" });
    await first.plane.workspaces.start(first.account, ran.id);
    await first.plane.workspaces.close();

    const second = await live();
    expect(second.plane.workspaces.get(second.account, ran.id).state).toBe("starting");
    const recovery = second.plane.workspaces.recover();
    expect(second.plane.workspaces.get(second.account, ran.id).state).toBe("starting");
    await recovery;
    expect(second.plane.workspaces.get(second.account, ran.id).state).toBe("running");
    expect(second.plane.workspaces.get(second.account, rested.id).state).toBe("stopped");
  });

  test("finishes a deletion that had begun", async () => {
    const { live, dir } = await lives();
    const first = await live();
    const { id } = await first.plane.workspaces.create(first.account, {});
    expect((await stat(path.join(dir, "workspaces", String(id)))).isDirectory()).toBe(true);
    first.store.workspaces.want(id, "deleted", null);

    const second = await live();
    await second.plane.workspaces.recover();
    expect(second.plane.workspaces.list(second.account)).toEqual([]);
    await expect(stat(path.join(dir, "workspaces", String(id)))).rejects.toThrow("ENOENT");
  });

  test("clears up what its former life was still making, of which nobody was told", async () => {
    const { live, dir } = await lives();
    const begun = Promise.withResolvers<void>();
    const first = await live({
      wrap: altered((driver) => ({
        create: async (spec) => {
          await driver.create(spec);
          begun.resolve();
          await new Promise(() => {});
        },
      })),
    });
    void first.plane.workspaces.create(first.account, { title: "half" });
    await begun.promise;
    expect(first.plane.workspaces.list(first.account)).toEqual([]);
    expect(first.plane.workspaces.byTitle(first.account, "half")).toBeNull();
    expect(await codeOf(first.plane.workspaces.start(first.account, 1))).toBe("not_found");
    await first.plane.workspaces.recover();
    expect(first.store.workspaces.get(1)).not.toBeNull();

    const second = await live();
    await second.plane.workspaces.recover();
    expect(second.plane.workspaces.list(second.account)).toEqual([]);
    await expect(stat(path.join(dir, "workspaces", "1"))).rejects.toThrow("ENOENT");
    expect((await second.plane.workspaces.create(second.account, { title: "half" })).id).toBe(2);
  });

  test("starts no workspace whose home is gone, and says where it was", async () => {
    const { live, dir } = await lives();
    const first = await live();
    const { id } = await first.plane.workspaces.create(first.account, {});
    await first.plane.workspaces.start(first.account, id);
    await first.plane.workspaces.close();
    const home = path.join(dir, "workspaces", String(id), "home");
    await rm(home, { recursive: true });
    const second = await live();
    await second.plane.workspaces.recover();
    expect(second.plane.workspaces.get(second.account, id)).toMatchObject({
      state: "error",
      problem: expect.stringContaining(home) as string,
    });
    await expect(stat(home)).rejects.toThrow("ENOENT");
  });

  test("knows, while it removes what nobody has any more, the workspaces that are made meanwhile", async () => {
    const { live } = await lives();
    const began = Promise.withResolvers<(id: number) => boolean>();
    const gate = Promise.withResolvers<void>();
    const t = await live({
      wrap: altered(() => ({
        reconcile: async (isKnown) => {
          began.resolve(isKnown);
          await gate.promise;
          return [];
        },
      })),
    });
    const recovery = t.plane.workspaces.recover();
    const isKnown = await began.promise;
    const { id } = await t.plane.workspaces.create(t.account, {});
    await t.plane.workspaces.start(t.account, id);
    expect([isKnown(id), isKnown(id + 1)]).toEqual([true, false]);
    gate.resolve();
    await recovery;
    expect(t.plane.workspaces.get(t.account, id).state).toBe("running");
  });

  test("tries again, at its next start, what it could not bring back at this one", async () => {
    const { live } = await lives();
    const first = await live();
    const { id } = await first.plane.workspaces.create(first.account, {});
    await first.plane.workspaces.start(first.account, id);
    await first.plane.workspaces.close();
    const failing = altered(() => ({
      start: async () => {
        throw new RuncodeError("start_failed", "not today");
      },
    }));
    const second = await live({ wrap: failing });
    await second.plane.workspaces.recover();
    expect(second.plane.workspaces.get(second.account, id)).toMatchObject({ state: "error", problem: "not today" });
    const third = await live();
    await third.plane.workspaces.recover();
    expect(third.plane.workspaces.get(third.account, id).state).toBe("running");
  });

  test.each([
    ["that was stopped", "stopped"],
    ["that was to be brought back, and was stopped first", "running"],
  ] as const)(
    "takes a start of a workspace %s for a start like any other: where it fails, it stays stopped and says why",
    async (_, before) => {
      const { live } = await lives();
      const first = await live();
      const { id } = await first.plane.workspaces.create(first.account, {});
      if (before === "running") await first.plane.workspaces.start(first.account, id);
      await first.plane.workspaces.close();

      const clearing = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const failing = altered((driver) => ({
        recover: async (spec) => {
          clearing.resolve();
          await gate.promise;
          return await driver.recover(spec);
        },
        start: async () => {
          throw new RuncodeError("start_failed", "not today");
        },
      }));
      const second = await live({ wrap: failing });
      const { workspaces } = second.plane;
      const recovery = workspaces.recover();
      await clearing.promise;
      const stopped = before === "running" ? codeOf(workspaces.stop(second.account, id)) : null;
      const started = codeOf(workspaces.start(second.account, id));
      gate.resolve();
      expect([await started, await stopped]).toEqual(["start_failed", before === "running" ? "conflict" : null]);
      await recovery;
      expect(workspaces.get(second.account, id)).toMatchObject({ state: "error", problem: "not today" });
      expect(second.store.workspaces.get(id)).toMatchObject({ desired: "stopped", problem: "not today" });
    },
  );

  test("and is told to end meanwhile leaves nothing running, and all of it wanted", async () => {
    const { live } = await lives();
    const first = await live();
    for (let i = 0; i < 20; i++) {
      const { id } = await first.plane.workspaces.create(first.account, {});
      await first.plane.workspaces.start(first.account, id);
    }
    await first.plane.workspaces.close();

    const gate = gated();
    const second = await live({ wrap: gate.wrap });
    const recovery = second.plane.workspaces.recover();
    await gate.begun;
    const closed = second.plane.workspaces.close();
    gate.go();
    await Promise.all([recovery, closed]);
    expect(gate.starts).toBeLessThan(20);
    expect(second.plane.workspaces.list(second.account).filter((it) => it.state === "running")).toEqual([]);
    expect(second.store.workspaces.all().map((row) => row.desired)).toEqual(Array(20).fill("running"));
  });

  test("that is going takes no new start", async () => {
    const t = await plane();
    const { id } = await t.plane.workspaces.create(t.account, {});
    await t.plane.workspaces.close();
    expect(await codeOf(t.plane.workspaces.start(t.account, id))).toBe("unavailable");
  });
});
