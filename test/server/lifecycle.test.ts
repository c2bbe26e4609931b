import { afterEach, describe, expect, test } from "vitest";
import { RuncodeError } from "../../src/protocol/errors.ts";
import type { Driver, Sandbox } from "../../src/server/sandboxes/driver.ts";
import type { WorkspaceEvent } from "../../src/server/workspaces/lifecycle.ts";
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
type Wrap = (driver: Driver) => Driver;
/** A workspace whose driver is behind a gate, and wishes for it, each of which gives how it ended; `around` changes the driver more. */
const atGate = async (around: (wrap: Wrap) => Wrap = (wrap) => wrap) => {
  const gate = gated();
  const t = await plane({ wrap: around(gate.wrap) });
  const { id } = await t.plane.workspaces.create(t.account, {});
  const start = async (): Promise<string> => await codeOf(t.plane.workspaces.start(t.account, id));
  const stop = async (): Promise<string> => await codeOf(t.plane.workspaces.stop(t.account, id));
  const now = () => ({ ...t.plane.workspaces.get(t.account, id), desired: t.store.workspaces.get(id)?.desired });
  return { gate, workspaces: t.plane.workspaces, start, stop, now };
};

describe("a workspace", () => {
  test("whose number something else has already takes the next one, under the title that was asked for", async () => {
    const t = await plane({
      wrap: altered((driver) => ({
        create: async (spec) => {
          if (spec.id < 3) throw new RuncodeError("conflict", "there is one of that number");
          await driver.create(spec);
        },
      })),
    });
    const made = await t.plane.workspaces.create(t.account, { title: "box" });
    expect([made.id, made.title]).toEqual([3, "box"]);
    expect(t.plane.workspaces.list(t.account).map(({ id }) => id)).toEqual([3]);
    await t.plane.workspaces.start(t.account, made.id);
  });

  test("that fifty start at once is started once, and all fifty are told", async () => {
    const { gate, start, stop, now } = await atGate();
    const starts = Array.from({ length: 50 }, start);
    await gate.begun;
    expect(now().state).toBe("starting");
    gate.go();
    expect(new Set(await Promise.all(starts))).toEqual(new Set(["done"]));
    expect(gate.starts).toBe(1);
    const stops = Array.from({ length: 50 }, stop);
    expect(new Set(await Promise.all(stops))).toEqual(new Set(["done"]));
    expect(gate.stops).toBe(1);
  });

  test("that is stopped while it starts is stopped, and whoever started it is told", async () => {
    const { gate, start, stop, now } = await atGate();
    const started = start();
    await gate.begun;
    const stopped = stop();
    gate.go();
    expect(await Promise.all([started, stopped])).toEqual(["conflict", "done"]);
    expect(now()).toMatchObject({ state: "stopped", desired: "stopped" });
  });

  test("that is stopped while it starts and started again at once is started anew, and each is told what became of its wish", async () => {
    const { gate, start, stop, now } = await atGate();
    const first = start();
    await gate.begun;
    const wishes = [first, stop(), start()];
    gate.go();
    expect(await Promise.all(wishes)).toEqual(["conflict", "conflict", "done"]);
    expect(now()).toMatchObject({ state: "running", problem: null, desired: "running" });
    expect(gate.starts).toBe(2);
  });

  test("whose second start fails leaves the failure to whoever wanted that one", async () => {
    const failing = altered((driver) => ({
      start: async (spec, options) => {
        await (await driver.start(spec, options)).stop();
        throw new RuncodeError("start_failed", "no room in the inn");
      },
    }));
    const { gate, start, stop, now } = await atGate((wrap) => (driver) => failing(wrap(driver)));
    const first = start();
    await gate.begun;
    const wishes = [first, stop(), start()];
    gate.go();
    expect(await Promise.all(wishes)).toEqual(["conflict", "conflict", "start_failed"]);
    expect(now()).toMatchObject({ state: "error", problem: "no room in the inn" });
  });

  test("that outlives the server is not started anew by a server that ends while it starts", async () => {
    const { gate, workspaces, start, now } = await atGate((wrap) => (driver) => ({
      ...wrap(driver),
      outlivesServer: true,
    }));
    const started = start();
    await gate.begun;
    const closed = workspaces.close();
    gate.go();
    await closed;
    expect([await started, gate.starts]).toEqual(["unavailable", 1]);
    expect(now().desired).toBe("running");
  });

  test("whose command ends at once while its engine is away can be stopped, and is ended when the engine is back", async () => {
    let away = true;
    let sandbox: Sandbox | undefined;
    const tried = Promise.withResolvers<void>();
    const t = await plane({
      wrap: altered((driver) => ({
        start: async (spec, options) => {
          const made = (sandbox = await driver.start(spec, options));
          const stop = made.stop.bind(made);
          made.stop = async (how) => {
            tried.resolve();
            if (away) throw new RuncodeError("unavailable", "the engine does not answer");
            await stop(how);
          };
          return made;
        },
      })),
    });
    const { id } = await t.plane.workspaces.create(t.account, { command: "exit 7" });
    const started = codeOf(t.plane.workspaces.start(t.account, id));
    await tried.promise;
    expect(await codeOf(t.plane.workspaces.stop(t.account, id))).toBe("done");
    expect(await started).toBe("conflict");
    away = false;
    expect(await sandbox?.ended).toHaveProperty("reason");
  });

  test("that does not stop keeps its server from ending for a bounded time, and is named", async () => {
    const gate = Promise.withResolvers<void>();
    let sandbox: Sandbox | undefined;
    const t = await plane({
      wrap: altered((driver) => ({
        start: async (spec, options) => {
          const made = (sandbox = await driver.start(spec, options));
          const stop = made.stop.bind(made);
          made.stop = async (how) => {
            await gate.promise;
            await stop(how);
          };
          return made;
        },
      })),
    });
    const { id } = await t.plane.workspaces.create(t.account, { title: "w" });
    await t.plane.workspaces.start(t.account, id);
    t.clock.sleep = async () => {};
    expect(await t.plane.workspaces.close()).toEqual(["workspace w"]);
    gate.resolve();
    await sandbox?.ended;
  });

  test("tells what an engine said on one line, of a bounded length, and without control characters", async () => {
    const t = await plane({
      wrap: altered(() => ({
        start: async () => {
          throw new RuncodeError("start_failed", `bad\n2030 forged\u001b[2J ${"x".repeat(5000)}`);
        },
      })),
    });
    const { id } = await t.plane.workspaces.create(t.account, { title: "w" });
    expect(await codeOf(t.plane.workspaces.start(t.account, id))).toBe("start_failed");
    const { problem } = t.plane.workspaces.get(t.account, id);
    expect(problem).toMatch(/^bad \| 2030 forged\[2J x+$/);
    expect(problem?.length).toBe(2000);
    expect(t.log.at(-1)).toBe(`workspace w: error: ${problem}`);
  });

  test("ends as the last of many contrary wishes wants it", async () => {
    const t = await plane();
    const { id } = await t.plane.workspaces.create(t.account, {});
    const wishes = Array.from({ length: 20 }, (_, i) =>
      codeOf(i % 2 === 0 ? t.plane.workspaces.start(t.account, id) : t.plane.workspaces.stop(t.account, id)),
    );
    await Promise.all(wishes);
    expect(t.plane.workspaces.get(t.account, id).state).toBe("stopped");
    await t.plane.workspaces.start(t.account, id);
    expect(t.plane.workspaces.get(t.account, id).state).toBe("running");
  });

  test("whose driver cannot start it is in error with the reason, and may be tried again", async () => {
    let broken = true;
    const t = await plane({
      wrap: altered((driver) => ({
        start: async (spec, options) => {
          if (broken) throw new RuncodeError("start_failed", "no room in the inn");
          return driver.start(spec, options);
        },
      })),
    });
    const { id } = await t.plane.workspaces.create(t.account, { title: "w" });
    const answer = await t.ask("GET", `/api/rc/workspace/start?workspace_id=${id}`);
    expect([answer.status, answer.json]).toEqual([
      200,
      { error: true, message: "workspace w did not start: no room in the inn" },
    ]);
    const seen = (await t.ask("GET", `/api/rc/workspace/${id}`)).json.data.workspace;
    expect([seen.current_state, seen.problem]).toEqual(["error", "no room in the inn"]);
    broken = false;
    await t.plane.workspaces.start(t.account, id);
    expect(t.plane.workspaces.get(t.account, id)).toMatchObject({ state: "running", problem: null });
  });

  test("whose sandbox ends by itself is in error with the reason, and does not come back at the next start", async () => {
    let sandbox: Sandbox | undefined;
    const t = await plane({
      wrap: altered((driver) => ({ start: async (spec, options) => (sandbox = await driver.start(spec, options)) })),
    });
    const { id } = await t.plane.workspaces.create(t.account, {});
    await t.plane.workspaces.start(t.account, id);
    const told = new Promise<WorkspaceEvent>((resolve) => t.plane.workspaces.subscribe(resolve));
    await sandbox?.stop();
    expect(await told).toMatchObject({
      workspaceId: id,
      state: "error",
      detail: expect.stringContaining("ended by itself"),
    });
    expect(() => t.plane.workspaces.sandbox(id)).toThrow("is error");
    expect(t.store.workspaces.get(id)?.desired).toBe("stopped");
  });

  test("that could not be made leaves nothing behind", async () => {
    const t = await plane({
      wrap: altered(() => ({
        create: async () => {
          throw new RuncodeError("io", "the disk\nis \u001b[2Jfull");
        },
      })),
    });
    const answer = await t.ask("POST", "/api/rc/workspaces", { title: "w" });
    expect([answer.status, answer.json.message]).toEqual([500, "workspace w could not be made: the disk | is [2Jfull"]);
    expect(t.plane.workspaces.list(t.account)).toEqual([]);
  });

  test("whose files cannot be deleted stays, and is deleted by the next try", async () => {
    let broken = true;
    const t = await plane({
      wrap: altered((driver) => ({
        delete: async (spec) => {
          if (broken) throw new RuncodeError("delete_failed", "busy");
          await driver.delete(spec);
        },
      })),
    });
    const { id } = await t.plane.workspaces.create(t.account, {});
    expect(await codeOf(t.plane.workspaces.delete(t.account, id, { force: false }))).toBe("delete_failed");
    expect(await codeOf(t.plane.workspaces.start(t.account, id))).toBe("not_found");
    broken = false;
    await t.plane.workspaces.delete(t.account, id, { force: false });
    expect(t.plane.workspaces.list(t.account)).toEqual([]);
  });

  test("of one account is not there for another", async () => {
    const t = await plane();
    const { id, title } = await t.plane.workspaces.create(t.account, {});
    const other = t.store.accounts.insert({ email: "o@x", name: "O", tier: "t", role: "member" }, 0);
    expect(t.plane.workspaces.list(other)).toEqual([]);
    expect(t.plane.workspaces.byTitle(other, title)).toBeNull();
    for (const verb of ["start", "stop"] as const) {
      expect(await codeOf(t.plane.workspaces[verb](other, id))).toBe("not_found");
    }
    expect(await codeOf(t.plane.workspaces.delete(other, id, { force: true }))).toBe("not_found");
  });

  test("tells whoever listens of every change, until they stop listening", async () => {
    const t = await plane();
    const { id } = await t.plane.workspaces.create(t.account, {});
    const states: string[] = [];
    const leave = t.plane.workspaces.subscribe((event) => states.push(event.state));
    await t.plane.workspaces.start(t.account, id);
    await t.plane.workspaces.stop(t.account, id);
    await t.plane.workspaces.delete(t.account, id, { force: false });
    expect(states).toEqual(["starting", "running", "stopping", "stopped", "stopping", "gone"]);
    leave();
    await t.plane.workspaces.create(t.account, {});
    expect(states.length).toBe(6);
  });
});
