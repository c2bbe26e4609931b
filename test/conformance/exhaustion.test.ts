// A workspace on an engine in which there is no process and no thread to be had any more: it lives on, says so, and is well again.
import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeEngines } from "../harness/engines.ts";
import { containersOf, run, engineSubject, type EngineSubject } from "./subjects.ts";

/** The file with the limit on processes of a process's control group, in version 1 or 2. */
async function limitFileOf(pid: number): Promise<string> {
  const rows = (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim().split("\n");
  const first = rows.find((row) => row.split(":")[1]?.split(",").includes("pids"));
  const own = (first ?? rows.find((row) => row.startsWith("0::")) ?? "").replace(/^\d+:[^:]*:/, "");
  return `/sys/fs/cgroup${first === undefined ? "" : "/pids"}${own}/pids.max`;
}

describeEngines(
  (kind) => `a workspace on ${kind} whose processes are used up`,
  (kind, address) => {
    let on: EngineSubject;
    beforeAll(async () => {
      on = await engineSubject(kind, address);
    });
    afterAll(async () => await on.close());

    // The limit of a control group that is there already is root's to change.
    if (process.getuid?.() === 0)
      test("does without one more thread, names the limit, starts programs again when there is room, and ends politely", async () => {
        const spec = on.spec();
        await on.driver.create(spec);
        const sandbox = await on.driver.start(spec);
        const [id = ""] = await containersOf(on.engine, on, spec);
        const limit = await limitFileOf((await on.engine.api.getContainer(id).inspect()).State.Pid);
        const held = await sandbox.exec({ command: ["cat"] });
        // Less than there are already: whatever a program forks and every thread is refused from now on.
        await writeFile(limit, "1");
        const refusal = {
          code: "conflict",
          message: expect.stringContaining("used up its 1 processes") as string,
          hint: expect.stringContaining("stop and start") as string,
        };
        for (let round = 0; round < 400; round++)
          await expect(run(sandbox, ["/bin/true"])).rejects.toMatchObject(refusal);
        const pty = { term: "dumb", columns: 80, rows: 24 };
        await expect(sandbox.exec({ command: ["/bin/true"], pty })).rejects.toMatchObject(refusal);
        await expect(sandbox.sftp()).rejects.toMatchObject(refusal);
        await expect(sandbox.dial({ host: "localhost", port: 1 })).rejects.toThrow("nothing answers");
        await writeFile(limit, "max");
        expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
        held.stdin.end("still here");
        expect(await text(held.stdout)).toBe("still here");
        const polite = await sandbox.exec({ command: ["/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; read _"] });
        await writeFile(limit, "1");
        await sandbox.stop({ graceMs: 60_000 });
        expect(await polite.exited).not.toMatchObject({ signal: "KILL" });
      });

    test("is stopped and started by whoever has filled it for good", async () => {
      const spec = on.spec({ processes: 40 });
      await on.driver.create(spec);
      const sandbox = await on.driver.start(spec);
      const bomb = "i=0; while [ $i -lt 200 ]; do setsid sleep 10000 & i=$((i+1)); done";
      await run(sandbox, ["/bin/sh", "-c", `(${bomb}) > /dev/null 2>&1`]);
      await sandbox.stop({ graceMs: 0 });
      const again = await on.driver.start(spec);
      expect((await run(again, "echo room")).stdout).toBe("room\n");
      await again.stop({ graceMs: 0 });
    });
  },
);
