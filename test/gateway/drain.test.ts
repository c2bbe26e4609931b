// The end of a gateway: in order, and all at once.
import { createConnection } from "node:net";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { world } from "./fixture.ts";

const first = (ssh: { stdout: NodeJS.ReadableStream | null }): Promise<Buffer> =>
  new Promise((resolve) => ssh.stdout?.once("data", resolve));

describe("a gateway that drains", () => {
  test("takes nobody new, lets what runs come to its end, and lets idle clients go", async () => {
    const w = await world();
    const key = w.key();
    const control = ["-o", `ControlPath=${key.file}.cm`];
    const running = w.ssh(["echo up; read -r line; echo got $line; exit 4"], {
      key,
      flags: [...control, "-M"],
      stdin: "pipe",
    });
    const idle = w.ssh([], { flags: ["-N"] });
    await first(running);
    while (w.gateway.connections < 2) await Bun.sleep(10);
    const drained = w.gateway.drain(30_000);
    await expect(once(createConnection(w.port, w.host), "connect")).rejects.toThrow();
    const beside = await w.ssh(["true"], { key, flags: [...control, "-o", "ControlMaster=no", "-o", "LogLevel=INFO"] });
    expect(beside.exitCode).toBe(255);
    expect((await idle).exitCode).toBe(255);
    running.stdin?.end("last\n");
    const { stdout, exitCode } = await running;
    expect([stdout, exitCode]).toEqual(["up\ngot last\n", 4]);
    await drained;
    expect(w.gateway.connections).toBe(0);
    await w.close();
  });

  test("ends what takes longer than it may, and says so", async () => {
    const w = await world();
    const running = w.ssh(["echo $$; exec sleep 1000"]);
    const pid = Number(String(await first(running)));
    await w.gateway.drain(100);
    const { exitCode, stderr } = await running;
    expect([exitCode, stderr]).toEqual([255, expect.stringContaining("the server was shut down")]);
    expect(() => process.kill(pid, 0)).toThrow();
    await w.close();
  });
});

test("a gateway that closes leaves no process, no listener and no socket in the sandbox", async () => {
  const w = await world({ hangupGraceMs: 100 });
  const path = `${w.dir}/left.sock`;
  const running = w.ssh(["trap '' HUP; echo $$; while :; do sleep 0.05; done"], { flags: ["-R", `${path}:/nowhere`] });
  const pid = Number(String(await first(running)));
  expect(existsSync(path)).toBe(true);
  await w.gateway.close();
  expect((await running).exitCode).toBe(255);
  expect(() => process.kill(pid, 0)).toThrow();
  expect(existsSync(path)).toBe(false);
  await w.gateway.close();
  await w.close();
});
