// What a workspace must not be able to do under a driver that says it isolates.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nap, run, seen, subject, type Subject } from "./subjects.ts";
import type { Sandbox, SandboxSpec } from "../../src/server/sandboxes/driver.ts";

const NAMESPACED = ["namespace"] as const;
const root = process.getuid?.() === 0;

describe.each(NAMESPACED)("isolation under the %s driver", (name) => {
  let on: Subject;
  let sandbox: Sandbox;
  let other: Sandbox;
  let otherSpec: SandboxSpec;
  beforeAll(async () => {
    on = await subject(name);
    sandbox = await on.sandbox();
    otherSpec = on.spec();
    await on.driver.create(otherSpec);
    other = await on.driver.start(otherSpec);
    await run(other, "echo theirs > secret; chmod 644 secret; chmod 755 .");
    // As careless as a data directory can be: only the sandbox itself stands between it and the workspace.
    await chmod(on.dataDir, 0o755);
    await writeFile(path.join(on.dataDir, "tokens"), "the server's own", { mode: 0o644 });
  });
  afterAll(async () => {
    await other?.stop({ graceMs: 0 });
    await on.close();
  });

  test("/etc/shadow, the server's data and another workspace's home cannot be read", async () => {
    const files = [
      "/etc/shadow",
      "/etc/ssh/ssh_host_ed25519_key",
      path.join(on.dataDir, "tokens"),
      path.join(on.dataDir, "workspaces", String(otherSpec.id), "home", "secret"),
      "/proc/1/root/etc/shadow",
      "/mnt/home/secret",
    ];
    for (const file of files) {
      const { stdout, exit } = await run(sandbox, ["cat", "--", file]);
      expect([file, stdout, exit]).toEqual([file, "", { code: 1 }]);
    }
    expect((await run(sandbox, ["ls", "/root", "/home"])).stdout).toBe("/home:\nubuntu\n");
  });

  test("its processes are ubuntu, uid 1000, with no capability and no way to gain one", async () => {
    const { stdout } = await run(sandbox, "id -u; id -un; id -G; grep -E '^(Cap...|NoNewPrivs)' /proc/self/status");
    const [uid, user, groups, ...lines] = stdout.trim().split("\n");
    expect([uid, user]).toEqual(["1000", "ubuntu"]);
    expect(groups?.split(" ")).not.toContain("0");
    const status = Object.fromEntries(lines.map((line) => line.split(/:\s+/) as [string, string]));
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect([set, Number(`0x${status[set]}`)]).toEqual([set, 0]);
    expect(status["NoNewPrivs"]).toBe("1");
  });

  test("a terminal's processes have no more than those without one", async () => {
    const process = await sandbox.exec({
      command: "grep -E '^(CapEff|NoNewPrivs|Uid)' /proc/self/status; echo over",
      pty: { term: "dumb", columns: 80, rows: 24 },
    });
    const status = await seen(process.stdout, "over");
    expect(status).toMatch(/Uid:\s+1000\s+1000/);
    expect(status).toMatch(/CapEff:\s+0+\r?\n/);
    expect(status).toMatch(/NoNewPrivs:\s+1/);
  });

  const whose = root
    ? "under a root server its processes are none of root's"
    : "its processes are the server's account's";
  test(`${whose} outside`, async () => {
    expect((await run(sandbox, ["cat", "/proc/self/uid_map"])).stdout).toMatch(/^\s+1000\s+\d+\s+1\n$/);
    const seconds = nap();
    const napping = await sandbox.exec({ command: `echo $$; exec sleep ${seconds}` });
    await seen(napping.stdout, "\n");
    const { stdout } = await promisedPs();
    const owners = stdout.split("\n").filter((line) => line.includes(`sleep ${seconds}`) && !line.includes("nsenter"));
    expect(owners.length).toBeGreaterThan(0);
    for (const line of owners) {
      const owner = Number(line.trim().split(/\s+/)[0]);
      if (root) expect(owner).toBeGreaterThanOrEqual(1_900_000_000);
      else expect(owner).toBe(process.getuid?.());
    }
    napping.kill();
  });

  test("the machine's programs, and what they read at their start, cannot be written", async () => {
    for (const dir of ["/usr/bin", "/usr/local/bin", "/etc", "/run/runcode/sockets", "/bin", "/", "/home"])
      expect([dir, (await run(sandbox, ["touch", `${dir}/planted`])).exit]).toEqual([dir, { code: 1 }]);
    const { stderr, exit } = await run(sandbox, 'printf x >> "$0"', { cwd: "/usr/bin" });
    expect([exit, stderr]).not.toEqual([{ code: 0 }, ""]);
  });

  test("processes of the machine can be neither seen nor signalled", async () => {
    const bystander = spawn("sleep", ["1000"]);
    await once(bystander, "spawn");
    const { stdout, exit } = await run(sandbox, `kill -KILL ${bystander.pid}; s=$?; ps -e -o pid= | wc -l; exit $s`);
    expect(exit).toEqual({ code: 1 });
    expect(Number(stdout)).toBeLessThan(20);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill();
  });

  test("neither mounts nor new namespaces give any of it back", async () => {
    const script = "unshare -Urm /bin/sh -c 'mount -t tmpfs none /usr && umount -l /etc/passwd; cat /etc/shadow' 2>&1";
    const { stdout } = await run(sandbox, script);
    expect(stdout).not.toContain("root:");
    expect((await run(sandbox, "ls /usr/bin/env")).exit).toEqual({ code: 0 });
  });

  test("a link to a socket of the machine leads nowhere", async () => {
    const file = path.join(on.dataDir, "server.sock");
    let connections = 0;
    const server = net.createServer((socket) => {
      connections++;
      socket.end();
    });
    server.listen(file);
    await once(server, "listening");
    await chmod(file, 0o777);
    await run(sandbox, ["ln", "-s", file, `${sandbox.home}/link.sock`]);
    await expect(sandbox.dial({ path: `${sandbox.home}/link.sock` })).rejects.toMatchObject({ code: "network" });
    await expect(sandbox.dial({ path: file })).rejects.toMatchObject({ code: "network" });
    expect(connections).toBe(0);
    server.close();
  });

  test("a listener's path that leads out of the sandbox makes nothing on the machine", async () => {
    const outside = path.join(on.dataDir, "drop");
    await mkdir(outside, { recursive: true });
    await chmod(outside, 0o777);
    await run(sandbox, ["ln", "-s", outside, `${sandbox.home}/drop`]);
    await expect(sandbox.listen({ path: `${sandbox.home}/drop/x.sock` }, () => {})).rejects.toMatchObject({
      code: "conflict",
    });
    expect((await Array.fromAsync(new Bun.Glob("*").scan({ cwd: outside, onlyFiles: false }))).length).toBe(0);
  });

  test("ports below 1024 are not for a workspace", async () => {
    await expect(sandbox.listen({ host: "127.0.0.1", port: 1023 }, () => {})).rejects.toMatchObject({
      code: "forbidden",
    });
  });

  test("a request's variables are not obeyed on the way in", async () => {
    const library = `${sandbox.home}/evil.so`;
    const { stdout, stderr } = await run(sandbox, ["printenv", "LD_PRELOAD"], { env: { LD_PRELOAD: library } });
    expect(stdout).toBe(`${library}\n`);
    // One complaint of the loader for each program that saw it: those inside, never the four that lead there.
    expect(stderr.split("\n").filter((line) => line.includes("nsenter") || line.includes("setpriv"))).toEqual([]);
  });

  test("the sandbox ends, and says so, when its first process is killed from outside", async () => {
    const spec = on.spec();
    await on.driver.create(spec);
    const doomed = await on.driver.start(spec);
    const held = await doomed.exec({ command: ["cat"] });
    // Its own processes may end it too: the holder is one of them.
    await run(doomed, "kill -KILL 2");
    expect((await doomed.ended).reason).toContain("first process");
    expect(await held.exited).toMatchObject({ signal: "KILL" });
    await expect(doomed.exec({ command: "true" })).rejects.toMatchObject({ code: "conflict" });
    await doomed.stop();
  });
});

async function promisedPs(): Promise<{ stdout: string }> {
  const { execFile } = await import("node:child_process");
  const { promisify } = await import("node:util");
  return await promisify(execFile)("ps", ["-e", "-o", "uid=,args="]);
}
