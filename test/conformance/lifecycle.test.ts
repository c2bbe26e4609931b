// A workspace from its making to its end: what outlives a stop, and what does not.
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canFreeze, DRIVERS, driverOn, healthOf, nap, run, seen, subject, type Subject } from "./subjects.ts";
import { createDriver } from "../../src/server/sandboxes/index.ts";

/** The pids of this machine whose command line holds the text. */
async function running(marker: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")] as const),
  );
  return lines.filter(([, line]) => line.includes(marker)).map(([pid]) => Number(pid));
}

const HEALTH = await healthOf(DRIVERS);

describe.each(DRIVERS)("the life of a workspace under the %s driver", (name) => {
  const { enforces, detail } = HEALTH[name];
  let on: Subject;
  beforeAll(async () => void (on = await subject(name)));
  afterAll(async () => await on.close());

  test("the driver says that it is well, and what it isolates and enforces", async () => {
    const health = await on.driver.probe();
    expect(health).toMatchObject({ ok: true, enforces: { memory: expect.any(Boolean) as boolean } });
    // Whoever chooses a driver goes by what it says of itself.
    expect(health.detail.includes("no isolation")).toBe(on.driver.isolation === "none");
    // Where no test may be left out, root must have what the tests of limits need.
    if (process.getuid?.() === 0 && process.env["RUNCODE_REQUIRE_TOOLS"])
      expect(health.enforces).toEqual({ memory: true, processes: true, cpus: true });
  });

  test("making a workspace twice is making it once", async () => {
    const spec = on.spec();
    await on.driver.create(spec);
    await on.driver.create(spec);
    const sandbox = await on.driver.start(spec);
    expect((await run(sandbox, ["ls", "-a", sandbox.workdir])).stdout).toBe(".\n..\n");
    expect(sandbox.workdir).toMatch(/^\/[A-Za-z0-9._@+/-]+$/);
    await sandbox.stop({ graceMs: 0 });
  });

  test("files outlive stop and start, and each workspace has its own", async () => {
    const [spec, other] = [on.spec(), on.spec()];
    for (const made of [spec, other]) await on.driver.create(made);
    const first = await on.driver.start(spec);
    await run(first, "echo kept > workspace/file");
    await first.stop({ graceMs: 0 });
    expect(await first.ended).toEqual({ reason: "stopped" });
    await expect(first.exec({ command: "true" })).rejects.toMatchObject({ code: "conflict" });
    const [second, elsewhere] = await Promise.all([on.driver.start(spec), on.driver.start(other)]);
    expect((await run(second, ["cat", "workspace/file"])).stdout).toBe("kept\n");
    expect((await run(elsewhere, ["cat", "workspace/file"])).exit).toEqual({ code: 1 });
    await Promise.all([second, elsewhere].map(async (sandbox) => await sandbox.stop({ graceMs: 0 })));
  });

  test.each([
    ["a link out of it", (outside: string) => `rmdir workspace && ln -s ${outside} workspace`],
    ["a link to nothing", () => "rmdir workspace && ln -s nowhere workspace"],
    ["a file", () => "rmdir workspace && touch workspace"],
    ["nothing", () => "rmdir workspace"],
  ])(
    "where a workspace left %s in place of its project directory, it starts, and nothing outside changes hands",
    async (_, leave) => {
      const outside = await mkdtemp(path.join(tmpdir(), "runcode-outside-"));
      try {
        const spec = on.spec();
        await on.driver.create(spec);
        const first = await on.driver.start(spec);
        expect((await run(first, leave(outside))).exit).toEqual({ code: 0 });
        await first.stop({ graceMs: 0 });
        await on.driver.create(spec);
        const again = await on.driver.start(spec);
        expect((await run(again, "echo here")).stdout).toBe("here\n");
        await again.stop({ graceMs: 0 });
        expect((await stat(outside)).uid).toBe(process.getuid?.());
      } finally {
        await rm(outside, { recursive: true });
      }
    },
  );

  test("stop is polite first: a program that hears it may end by itself", async () => {
    const sandbox = await on.sandbox();
    const command = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    const polite = await sandbox.exec({ command });
    await seen(polite.stdout, "ready");
    const rest = text(polite.stdout);
    await sandbox.stop({ graceMs: 20_000 });
    expect(await rest).toBe("goodbye\n");
    expect(await polite.exited).toEqual({ code: 0 });
  });

  test.each([
    [
      "a child that ignores every polite signal",
      (seconds: number) => `trap '' TERM HUP INT; sleep ${seconds} & echo ready; wait`,
    ],
    ["a session of its own", (seconds: number) => `setsid sleep ${seconds} & echo ready; wait`],
    ["a forgotten orphan", (seconds: number) => `(setsid sh -c 'sleep ${seconds} & exec true' &) ; echo ready`],
    ["a cleared environment", (seconds: number) => `env -i sleep ${seconds} & echo ready; wait`],
  ])("stop ends %s", async (_what, script) => {
    const sandbox = await on.sandbox();
    const seconds = nap();
    const process = await sandbox.exec({ command: script(seconds) });
    await seen(process.stdout, "ready");
    await expect.poll(async () => (await running(`sleep\0${seconds}`)).length).toBeGreaterThan(0);
    await sandbox.stop({ graceMs: 0 });
    expect(await running(`sleep\0${seconds}`)).toEqual([]);
  });

  // Without cgroups the process driver cannot hold on to it, and says so.
  const loses = name === "process" && detail.includes("without cgroups");
  const orphan = "an orphan with a cleared environment in a session of its own";
  test(loses ? `stop loses ${orphan}, as the driver says` : `stop ends ${orphan}`, async () => {
    const sandbox = await on.sandbox();
    const seconds = nap();
    await run(sandbox, `(setsid env -i /bin/sh -c 'sleep ${seconds} & exec true' > /dev/null 2>&1 < /dev/null &)`);
    await expect.poll(async () => (await running(`sleep\0${seconds}`)).length).toBe(1);
    await sandbox.stop({ graceMs: 0 });
    const left = await running(`sleep\0${seconds}`);
    for (const pid of left) process.kill(pid, "SIGKILL");
    expect(left).toHaveLength(loses ? 1 : 0);
    if (loses) expect(detail).toContain("outlives a stop");
  });

  if (!canFreeze(HEALTH[name]))
    test("a pause that the engine has no means for is a conflict that says so, and the workspace goes on", async () => {
      const sandbox = await on.sandbox();
      await expect(sandbox.pause()).rejects.toMatchObject({
        code: "conflict",
        message: expect.stringMatching(/cgroup|pause/) as string,
        hint: expect.stringContaining("stop it instead") as string,
      });
      expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
      await sandbox.stop({ graceMs: 0 });
    });
  else
    test("a paused workspace does nothing until it is resumed", async () => {
      const sandbox = await on.sandbox();
      const ticker = await sandbox.exec({ command: "while :; do echo tick; sleep 0.02; done" });
      await seen(ticker.stdout, "tick");
      await sandbox.pause();
      let ticks = 0;
      ticker.stdout.on("data", () => ticks++).resume();
      // What was on its way still comes; then there is a while, many ticks long, without one.
      for (let before = -1; before !== ticks; await new Promise((resolve) => setTimeout(resolve, 300))) before = ticks;
      const paused = ticks;
      await sandbox.resume();
      await expect.poll(() => ticks).toBeGreaterThan(paused);
      await sandbox.pause();
      await sandbox.stop({ graceMs: 0 });
      expect(await ticker.exited).toMatchObject({ signal: "KILL" });
    });

  test("a server's next life ends what its former one left, and nothing of other workspaces", async () => {
    const [spec, other] = [on.spec(), on.spec()];
    const [sandbox, bystander] = await Promise.all(
      [spec, other].map(async (made) => {
        await on.driver.create(made);
        return await on.driver.start(made);
      }),
    );
    if (!sandbox || !bystander) throw new Error("not started");
    const seconds = nap();
    const stray = await sandbox.exec({ command: `setsid sleep ${seconds} & echo ready; wait` });
    const kept = await bystander.exec({ command: ["cat"] });
    await seen(stray.stdout, "ready");
    await expect.poll(async () => (await running(`sleep\0${seconds}`)).length).toBeGreaterThan(0);
    // The namespace driver's own answer to a server's death is tested where a server dies; here its group is what is left.
    const next = await driverOn(name, on.dataDir);
    const canSee = name !== "namespace" || enforces.processes;
    if (!canSee) await sandbox.stop({ graceMs: 0 });
    expect(await next.recover(spec)).toBeNull();
    expect(await running(`sleep\0${seconds}`)).toEqual([]);
    kept.stdin.end("still here");
    expect(await text(kept.stdout)).toBe("still here");
    await Promise.all([sandbox, bystander].map(async (one) => await one.stop({ graceMs: 0 })));
  });

  test("delete leaves nothing, read-only directories included, and follows no link out", async () => {
    const spec = on.spec();
    await on.driver.create(spec);
    const sandbox = await on.driver.start(spec);
    const outside = path.join(on.dataDir, "outside");
    await Bun.write(path.join(outside, "file"), "mine");
    const made = await run(
      sandbox,
      `mkdir -p 'a b/ro' && touch 'a b/ro/f' && chmod 0500 'a b/ro' && chmod 000 'a b' && ln -s ${outside} out && printf x > "$(printf '\\377')"`,
    );
    expect(made).toMatchObject({ stderr: "", exit: { code: 0 } });
    await sandbox.stop({ graceMs: 0 });
    await on.driver.delete(spec);
    await on.driver.delete(spec);
    expect(existsSync(path.join(on.dataDir, "workspaces", String(spec.id)))).toBe(false);
    expect(await Bun.file(path.join(outside, "file")).text()).toBe("mine");
  });

  if (enforces.processes)
    test("a limit on processes holds", async () => {
      const sandbox = await on.sandbox({ processes: 12 });
      // More than a container has for the helper besides. bash would try each fork again, for seconds.
      const { stderr } = await run(sandbox, [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 120 ]; do sleep 5 & i=$((i+1)); done",
      ]);
      expect(stderr).toMatch(/fork/i);
    });

  if (enforces.memory)
    test("a limit on memory holds", async () => {
      const sandbox = await on.sandbox({ memoryBytes: 64 * 1024 * 1024 });
      const { exit } = await run(sandbox, ["/usr/bin/python3", "-c", "x = b'x' * 300_000_000"]);
      expect(exit).toMatchObject({ signal: "KILL" });
    });

  if (!enforces.memory || !enforces.processes || !enforces.cpus)
    test("limits that the driver says it does not enforce keep no workspace from its start", async () => {
      const sandbox = await on.sandbox({ processes: 12, memoryBytes: 64 * 1024 * 1024, cpus: 0.5 });
      expect((await run(sandbox, "echo runs")).stdout).toBe("runs\n");
      await sandbox.stop({ graceMs: 0 });
    });

  test("a start that was called off leaves nothing running", async () => {
    const spec = on.spec();
    await on.driver.create(spec);
    await expect(on.driver.start(spec, { signal: AbortSignal.abort(new Error("called off")) })).rejects.toThrow(
      "called off",
    );
    expect(await running(path.join(on.dataDir, "workspaces", String(spec.id)))).toEqual([]);
  });

  test("sftp answers the protocol's first packet, from inside", async () => {
    const sandbox = await on.sandbox();
    const sftp = await sandbox.sftp();
    sftp.stdin.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    const [answer] = (await new Promise<Buffer[]>((resolve) =>
      sftp.stdout.once("data", (data: Buffer) => resolve([data])),
    )) as [Buffer];
    expect(answer.readUInt8(4)).toBe(2);
    expect(answer.readUInt32BE(5)).toBe(3);
    sftp.stdin.end();
    expect(await sftp.exited).toEqual({ code: 0 });
  });
});

describe("what every driver refuses", () => {
  test.each(DRIVERS)("%s refuses a data directory that a session's workdir could not carry", async (name) => {
    const driver = await driverOn(name, "/tmp/with a space");
    await expect(driver.probe()).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("a driver that does not exist is a usage error that lists those that do", async () => {
    await expect(createDriver("chroot", { dataDir: "/tmp", self: [] })).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining("namespace") as string,
    });
  });
});
