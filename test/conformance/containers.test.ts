// What holds for containers beyond the common suite: what stays out of them, images of every odd kind, and engines and
// containers that go away in the middle.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer, text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import type { Driver, DriverHealth, Sandbox, SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { BUSYBOX, DEBIAN, describeEngines, type EngineKind } from "../harness/engines.ts";
import { engineProxy } from "../harness/index.ts";
import { bareImage, importImage } from "./images.ts";
import {
  canFreeze,
  CONTAINERS,
  containersOf,
  driverOn,
  healthOf,
  run,
  seen,
  subject,
  type Subject,
} from "./subjects.ts";

const busybox = (): Buffer => readFileSync("/bin/busybox");

/** How many CPUs the kernel lets a process's cgroup have, by cpu.max of version 2 or the quota of version 1. */
async function cpusOf(pid: number): Promise<number> {
  const rows = (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim().split("\n");
  const of = (is: (controllers: string) => boolean): string | undefined =>
    rows.find((row) => is(row.split(":")[1] ?? ""))?.replace(/^\d+:[^:]*:/, "");
  const first = of((controllers) => controllers.split(",").includes("cpu"));
  if (first === undefined) {
    const [quota, period] = (await readFile(`/sys/fs/cgroup${of((none) => none === "")}/cpu.max`, "utf8")).split(" ");
    return Number(quota) / Number(period);
  }
  const read = async (name: string): Promise<number> =>
    Number(await readFile(`/sys/fs/cgroup/cpu${first}/cpu.${name}`, "utf8"));
  return (await read("cfs_quota_us")) / (await read("cfs_period_us"));
}

const nameOf = (kind: EngineKind) => `docker@${kind}` as const;
/** By name, of those that are here. */
const HEALTH: Partial<Record<string, DriverHealth>> = await healthOf(CONTAINERS);

describeEngines(
  (kind) => `containers on ${kind}`,
  (kind, address) => {
    const health = HEALTH[nameOf(kind)];
    const enforces = health?.enforces ?? { memory: true, processes: true, cpus: true };
    let on: Subject;
    let engine: Engine;
    beforeAll(async () => {
      on = await subject(nameOf(kind));
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
    });
    afterAll(async () => {
      await on.close();
      await engine.close();
    });
    const startOf = async (image: string, more: Partial<SandboxSpec> = {}, driver: Driver = on.driver) => {
      const spec = { ...on.spec(), image, ...more };
      await driver.create(spec);
      return { spec, sandbox: await driver.start(spec) };
    };

    describe("what stays out", () => {
      let sandbox: Sandbox;
      beforeAll(async () => {
        ({ sandbox } = await startOf(DEBIAN));
      });
      afterAll(async () => await sandbox.stop({ graceMs: 0 }));

      test("root inside has a short list of capabilities, gains none, and is under seccomp", async () => {
        const { stdout } = await run(sandbox, ["cat", "/proc/self/status"]);
        const status = Object.fromEntries(stdout.split("\n").map((line) => line.split(/:\s+/, 2) as [string, string]));
        // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10.
        for (const set of ["CapPrm", "CapEff", "CapBnd"]) expect([set, status[set]]).toEqual([set, "00000000000004fb"]);
        expect(status).toMatchObject({ NoNewPrivs: "1", Seccomp: "2" });
      });

      test("a terminal's programs have no more than others", async () => {
        const process = await sandbox.exec({
          command: "grep -E '^(CapEff|NoNewPrivs|Seccomp:)' /proc/self/status; echo over",
          pty: { term: "dumb", columns: 80, rows: 24 },
        });
        const said = await seen(process.stdout, "over");
        expect(said).toMatch(/CapEff:\s+00000000000004fb/);
        expect(said).toMatch(/NoNewPrivs:\s+1/);
        expect(said).toMatch(/Seccomp:\s+2/);
      });

      test("nothing of the machine is mounted but the home, and read-only the helper and the way to it", async () => {
        const { stdout } = await run(sandbox, ["cat", "/proc/self/mounts"]);
        const own = [
          "/",
          sandbox.home,
          "/.runcode",
          "/.runcode-link",
          "/etc/hosts",
          "/etc/hostname",
          "/etc/resolv.conf",
        ];
        const other = stdout
          .trim()
          .split("\n")
          .map((line) => line.split(" ")[1] ?? "")
          .filter((where) => !own.includes(where) && !/^\/(proc|sys|dev|run\/\.containerenv|run\/secrets)/.test(where));
        expect(other.filter((where) => where !== "/run")).toEqual([]);
        expect((await run(sandbox, "ls /var/run/docker.sock /run/podman /run/docker.sock 2>/dev/null")).stdout).toBe(
          "",
        );
        expect((await run(sandbox, "touch /.runcode/planted")).exit).toEqual({ code: 1 });
        expect((await run(sandbox, "echo x >> /.runcode/runcode")).exit).not.toEqual({ code: 0 });
      });

      test("mounts, new devices, the kernel's settings and other processes' memory are out of reach", async () => {
        for (const attempt of [
          "mount -t tmpfs none /mnt",
          "mknod /tmp/disk b 8 0",
          "echo 1 > /proc/sys/kernel/sysrq",
          "unshare -m true",
          "chroot / true",
        ]) {
          const { exit } = await run(sandbox, attempt);
          expect([attempt, exit]).not.toEqual([attempt, { code: 0 }]);
        }
        expect((await run(sandbox, "ps -e -o pid= | wc -l")).stdout.trim()).toMatch(/^[1-9]$/);
      });

      test("a program with the setuid bit gives nobody more than he has", async () => {
        const image = await importImage(
          engine,
          "runcode-setuid",
          {
            "bin/busybox": Buffer.from(await Bun.file("/bin/busybox").arrayBuffer()),
            "etc/passwd": "x:x:1000:1000::/home/x:\n",
          },
          ["USER 1000"],
        );
        const { sandbox: theirs } = await startOf(image);
        const { stdout } = await run(theirs, ["/bin/busybox", "cat", "/proc/self/status"]);
        expect(stdout).toMatch(/NoNewPrivs:\s+1/);
        expect(stdout).toMatch(/CapEff:\s+0+\n/);
        await theirs.stop({ graceMs: 0 });
      });

      test("an image that asks for volumes, another entry, a port and a preloaded library gets no place of the machine", async () => {
        const image = await importImage(
          engine,
          "runcode-greedy",
          { "bin/busybox": Buffer.from(await Bun.file("/bin/busybox").arrayBuffer()) },
          ['ENTRYPOINT ["/bin/busybox","false"]', "VOLUME /data", "EXPOSE 22", "ENV LD_PRELOAD=/evil.so"],
        );
        const { spec, sandbox: greedy } = await startOf(image);
        const [id = ""] = await containersOf(engine, on, spec);
        const found = await engine.api.getContainer(id).inspect();
        expect(found.HostConfig).toMatchObject({ Privileged: false, PidsLimit: enforces.processes ? 4096 + 64 : 0 });
        const places = found.Mounts.filter(({ Type }) => Type !== "volume");
        expect(places).toMatchObject([{ Type: "bind", Destination: "/.runcode-link", RW: false }]);
        expect(await run(greedy, ["/bin/busybox", "echo", "ours"])).toMatchObject({ stdout: "ours\n" });
        await greedy.stop({ graceMs: 0 });
      });

      test("the operator can take the last capabilities and the writable root away", async () => {
        const strict = await driverOn(nameOf(kind), on.dataDir, {
          hardening: { capabilities: [], readOnlyRoot: true },
        });
        const { sandbox: closed } = await startOf(DEBIAN, {}, strict);
        const { stdout } = await run(
          closed,
          "grep CapEff /proc/self/status; touch /usr/x || echo no; touch ~/y /tmp/z && echo yes",
        );
        expect(stdout).toMatch(/CapEff:\s+0+\nno\nyes\n/);
        await closed.stop({ graceMs: 0 });
        await strict.close();
      });
    });

    describe("what an operator tightens", () => {
      test("a seccomp profile holds inside", async () => {
        // Not the engine's own and nothing that anybody should use: one call is refused, by which it is known.
        const text = JSON.stringify({
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
        });
        const file = path.join(on.dataDir, "profile.json");
        await Bun.write(file, text);
        const strict = await driverOn(nameOf(kind), on.dataDir, { hardening: { seccomp: { file, text } } });
        const spec = { ...on.spec(), image: DEBIAN };
        await on.driver.create(spec);
        // The project directory is there by then, and the helper makes no other.
        await (await on.driver.start(spec)).stop({ graceMs: 0 });
        const sandbox = await strict.start(spec);
        expect((await run(sandbox, "LC_ALL=C mkdir /tmp/x")).stderr).toContain("not supported");
        await sandbox.stop({ graceMs: 0 });
        await strict.close();
      });

      test("a runtime that the engine does not have, or would not use, is an error and not another one instead", async () => {
        const strict = await driverOn(nameOf(kind), on.dataDir, { hardening: { runtime: "runcode-no-such" } });
        const spec = { ...on.spec(), image: BUSYBOX };
        await strict.create(spec);
        await expect(strict.start(spec)).rejects.toMatchObject({
          message: expect.stringMatching(/runcode-no-such|nknown runtime/) as string,
        });
        expect(await containersOf(engine, on, spec)).toEqual([]);
        await strict.close();
      });
    });

    describe("images of every kind", () => {
      test("one that nobody has is not_found, and leaves no container", async () => {
        const spec = { ...on.spec(), image: "localhost/runcode-no-such-image:1" };
        await on.driver.create(spec);
        const lines: string[] = [];
        await expect(on.driver.start(spec, { progress: (line) => lines.push(line) })).rejects.toMatchObject({
          code: "not_found",
          message: expect.stringContaining("runcode-no-such-image") as string,
        });
        expect(lines[0]).toBe("pulling localhost/runcode-no-such-image:1");
        expect(await containersOf(engine, on, spec)).toEqual([]);
      });

      test.each([
        ...["", "-v", "a b", "image\n", "https://x/y?z", "x".repeat(300), "Debian", "a:", "a:-b", "a@sha256:b"],
        // In a path of the engine's API these would be something else than an image.
        ...[
          "a/../../containers/x",
          "a/..",
          "../a",
          "a//b",
          "a/",
          "/a",
          "a/./b",
          "a%2f..",
          "a?b",
          "a#b",
          "a:b/..",
          "..:5/a",
        ],
      ])("%j names no image", async (image) => {
        await expect(on.driver.create({ ...on.spec(), image })).rejects.toMatchObject({ code: "bad_request" });
      });

      test("without an image of its own or a default one a workspace cannot be made", async () => {
        const driver = await driverOn(nameOf(kind), on.dataDir, { image: null });
        await expect(driver.create(on.spec())).rejects.toMatchObject({
          code: "bad_request",
          hint: expect.stringContaining("--image") as string,
        });
        await driver.close();
      });

      test("one without a shell, tar or anything else runs its program, tells that there is no shell, and serves sftp", async () => {
        const { sandbox } = await startOf(await bareImage(engine));
        expect((await run(sandbox, ["/opt/echo", "a b"])).stdout).toBe("a b\n");
        expect(await run(sandbox, "echo hi")).toMatchObject({
          exit: { code: 127 },
          stderr: expect.stringContaining("/bin/sh") as string,
        });
        const sftp = await sandbox.sftp();
        sftp.stdin.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
        sftp.stdin.end();
        // SSH_FXP_VERSION, 3 (draft-ietf-secsh-filexfer-02 §4).
        expect((await buffer(sftp.stdout)).subarray(4, 9)).toEqual(Buffer.from([2, 0, 0, 0, 3]));
        expect(await sftp.exited).toEqual({ code: 0 });
        await sandbox.stop({ graceMs: 0 });
      });

      test("busybox alone is as good as any", async () => {
        const { sandbox } = await startOf(BUSYBOX);
        expect((await run(sandbox, "cd workspace && pwd && id -un")).stdout).toBe(`${sandbox.workdir}\nroot\n`);
        const process = await sandbox.exec({ command: null, pty: { term: "vt100", columns: 60, rows: 20 } });
        process.stdin.write("stty size; exit 5\n");
        expect(await text(process.stdout)).toContain("20 60");
        expect(await process.exited).toEqual({ code: 5 });
        await sandbox.stop({ graceMs: 0 });
      });

      test.each([
        ["a name", "someone"],
        ["a number that nobody has", "4321:4321"],
      ])("the user that an image names by %s owns its home, and finds its files again", async (_, user) => {
        const busybox = Buffer.from(await Bun.file("/bin/busybox").arrayBuffer());
        const image = await importImage(
          engine,
          `runcode-user-${user.replace(":", "-")}`,
          {
            "bin/sh": busybox,
            "bin/id": busybox,
            "bin/cat": busybox,
            "etc/passwd": "someone:x:1234:1234::/home/someone:/bin/sh\n",
          },
          [`USER ${user}`],
        );
        const { spec, sandbox } = await startOf(image);
        const uid = user === "someone" ? "1234" : "4321";
        expect((await run(sandbox, "id -u; echo kept > ~/workspace/file")).stdout).toBe(`${uid}\n`);
        expect(sandbox.home).toBe(user === "someone" ? "/home/someone" : "/home/workspace");
        await sandbox.stop({ graceMs: 0 });
        const again = await on.driver.start(spec);
        expect((await run(again, "cat ~/workspace/file")).stdout).toBe("kept\n");
        await again.stop({ graceMs: 0 });
      });
    });

    describe("images that mean harm", () => {
      /** A server of its own on the engine, with nothing there yet. */
      const fresh = async (settings: Parameters<typeof driverOn>[2] = {}) => {
        const dataDir = await mkdtemp(path.join(tmpdir(), "runcode-fresh-"));
        const driver = await driverOn(nameOf(kind), dataDir, settings);
        const specs: SandboxSpec[] = [];
        return {
          dataDir,
          driver,
          start: async (image: string) => {
            const spec = { ...on.spec(), image };
            specs.push(spec);
            await driver.create(spec);
            return await driver.start(spec);
          },
          close: async () => {
            for (const spec of specs) {
              await driver.recover(spec);
              await driver.delete(spec);
            }
            await (driver as Driver & { forget(): Promise<void> }).forget();
            await driver.close();
            await rm(dataDir, { recursive: true });
          },
        };
      };

      test("one that brings files for the helper's place gives nobody another helper, not even once that was removed", async () => {
        const own = {
          ".runcode/complete": "",
          ".runcode/runcode": "mine",
          ".runcode/mine": "",
          "bin/busybox": busybox(),
        };
        const evil = await importImage(engine, `runcode-evil-${kind}`, own);
        const server = await fresh();
        for (const round of ["first", "second"]) {
          const own = await server.start(evil).catch(() => null);
          await own?.stop({ graceMs: 0 });
          const others = await server.start(BUSYBOX);
          expect((await run(others, `ls /.runcode; echo ${round}`)).stdout).not.toContain("mine");
          await others.stop({ graceMs: 0 });
          const { Volumes } = await engine.api.listVolumes();
          const owner = (await Bun.file(path.join(server.dataDir, "engine-owner")).text()).trim();
          const helper = Volumes.find(({ Name }) => Name.startsWith(`runcode-${owner}-helper-`));
          if (round === "first") await engine.api.getVolume(helper?.Name ?? "").remove();
        }
        await server.close();
      });

      test("where only the home, /tmp and /run may be written, a volume elsewhere is refused, and another user still starts", async () => {
        const etc = { "etc/passwd": "me:x:1000:1000::/home/me:/bin/sh\n", "bin/busybox": busybox() };
        const open = await importImage(engine, `runcode-open-${kind}`, etc, ["VOLUME /usr"]);
        const plain = await importImage(engine, `runcode-plain-${kind}`, etc, ["USER 1000", "VOLUME /tmp/inside"]);
        const server = await fresh({ hardening: { readOnlyRoot: true } });
        await expect(server.start(open)).rejects.toMatchObject({
          code: "start_failed",
          message: expect.stringContaining("/usr") as string,
        });
        const sandbox = await server.start(plain);
        const { stdout } = await run(sandbox, ["/bin/busybox", "sh", "-c", "echo kept > ~/file; cat ~/file; id -u"]);
        expect(stdout).toBe("kept\n1000\n");
        await sandbox.stop({ graceMs: 0 });
        await server.close();
      });

      test("one with a file where the link would be starts without one, and others keep theirs", async () => {
        const odd = await importImage(engine, `runcode-odd-${kind}`, { ".runcode-link": "", "bin/busybox": busybox() });
        const server = await fresh();
        const look = ["/bin/busybox", "stat", "-c", "%F", "/.runcode-link"];
        const without = await server.start(odd);
        expect((await run(without, look)).stdout).toContain("regular");
        const others = await server.start(BUSYBOX);
        expect((await run(others, look)).stdout).toBe("directory\n");
        for (const sandbox of [without, others]) await sandbox.stop({ graceMs: 0 });
        await server.close();
      });
    });

    describe("what goes wrong", () => {
      test("a container that is removed behind our back ends the sandbox, and it can be started again", async () => {
        const { spec, sandbox } = await startOf(DEBIAN);
        const held = await sandbox.exec({ command: ["cat"] });
        const [id = ""] = await containersOf(engine, on, spec);
        await engine.api.getContainer(id).remove({ force: true });
        expect((await sandbox.ended).reason).toMatch(/removed|ended/);
        expect(await held.exited).toMatchObject({ signal: "KILL" });
        await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject({ code: "conflict" });
        await sandbox.stop();
        const again = await on.driver.start(spec);
        expect((await run(again, "echo back")).stdout).toBe("back\n");
        await again.stop({ graceMs: 0 });
      });

      test("one whose first process is killed says with which code it ended", async () => {
        const { spec, sandbox } = await startOf(DEBIAN);
        const [id = ""] = await containersOf(engine, on, spec);
        await engine.api.getContainer(id).kill({ signal: "SIGKILL" });
        expect((await sandbox.ended).reason).toContain("137");
        await on.driver.recover(spec);
        expect(await containersOf(engine, on, spec)).toEqual([]);
      });

      test("the helper's death ends what ran, and the next request finds another helper", async () => {
        const { sandbox } = await startOf(DEBIAN);
        const held = await sandbox.exec({ command: ["cat"] });
        await run(sandbox, "kill -KILL $PPID").catch(() => {});
        expect(await held.exited).toMatchObject({ signal: "KILL" });
        await expect
          .poll(async () => (await run(sandbox, "echo again").catch(() => ({ stdout: "" }))).stdout, {
            timeout: 60_000,
          })
          .toBe("again\n");
        await sandbox.stop({ graceMs: 0 });
      });

      if (enforces.memory) {
        test("a program that the memory was too small for is said to have been killed for it", async () => {
          const { sandbox } = await startOf(DEBIAN, { limits: { memoryBytes: 96 * 1024 * 1024 } });
          const { exit, stderr } = await run(sandbox, ["/usr/bin/python3", "-c", "x = b'x' * 400_000_000"]);
          expect(exit).toMatchObject({ signal: "KILL" });
          expect(stderr).toContain("memory is used up");
          expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
          await sandbox.stop({ graceMs: 0 });
        });

        test("one whose first process the kernel ends for want of memory says that it was the memory", async () => {
          const { sandbox } = await startOf(DEBIAN, { limits: { memoryBytes: 96 * 1024 * 1024 } });
          // The kernel takes the largest; that it is the first process is a workspace that others fill with small ones.
          expect((await run(sandbox, "echo 1000 > /proc/1/oom_score_adj")).exit).toEqual({ code: 0 });
          const process = await sandbox.exec({ command: ["/usr/bin/python3", "-c", "x = b'x' * 400_000_000"] });
          process.stdin.end();
          // Podman does not say so of a container on the first version of cgroups.
          const unsaid = kind === "podman" && !existsSync("/sys/fs/cgroup/cgroup.controllers");
          expect((await sandbox.ended).reason).toBe(
            unsaid
              ? "its first process was killed (exit code 137): unless somebody did that, its memory was used up"
              : "its memory was used up (exit code 137)",
          );
          await sandbox.stop({ graceMs: 0 });
        });
      }

      if (enforces.cpus)
        test("a flavor's CPUs are the kernel's limit, by the engine's word and by the cgroup's", async () => {
          const { spec, sandbox } = await startOf(BUSYBOX, { limits: { cpus: 0.5 } });
          const [id = ""] = await containersOf(engine, on, spec);
          const { HostConfig, State } = await engine.api.getContainer(id).inspect();
          expect(HostConfig.NanoCpus).toBe(500_000_000);
          expect(await cpusOf(State.Pid)).toBe(0.5);
          await sandbox.stop({ graceMs: 0 });
        });

      if (enforces.cpus)
        test("a flavor of more CPUs than the engine's machine has gives all that there are", async () => {
          const { NCPU } = (await engine.api.info()) as { NCPU: number };
          const { spec, sandbox } = await startOf(BUSYBOX, { limits: { cpus: NCPU + 1.5 } });
          const [id = ""] = await containersOf(engine, on, spec);
          const { HostConfig } = await engine.api.getContainer(id).inspect();
          expect(HostConfig.NanoCpus).toBe(NCPU * 1e9);
          await sandbox.stop({ graceMs: 0 });
        });

      test("a flavor with GPUs, of which the engine has none, is refused by name, and no container is left", async () => {
        const spec = { ...on.spec({ gpus: 1 }), image: BUSYBOX };
        await on.driver.create(spec);
        await expect(on.driver.start(spec)).rejects.toMatchObject({
          code: "start_failed",
          message: expect.stringContaining("asks for GPUs") as string,
          hint: expect.stringContaining("without gpus") as string,
        });
        expect(await containersOf(engine, on, spec)).toEqual([]);
      });

      test("a full disk is the program's own error, and the workspace goes on", async () => {
        const strict = await driverOn(nameOf(kind), on.dataDir, { hardening: { readOnlyRoot: true } });
        const { sandbox } = await startOf(DEBIAN, {}, strict);
        const { exit, stderr } = await run(sandbox, "dd if=/dev/zero of=/dev/shm/full bs=1M count=4096");
        expect(exit).toEqual({ code: 1 });
        expect(stderr).toMatch(/No space left/);
        expect((await run(sandbox, "echo on")).stdout).toBe("on\n");
        await sandbox.stop({ graceMs: 0 });
        await strict.close();
      });

      if (health === undefined || canFreeze(health))
        test("what runs is out of reach while the workspace is paused, by name and not by waiting", async () => {
          const { sandbox } = await startOf(BUSYBOX);
          await sandbox.pause();
          await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject({ code: "conflict" });
          await expect(sandbox.sftp()).rejects.toMatchObject({ code: "conflict" });
          await sandbox.resume();
          expect((await run(sandbox, "echo thawed")).stdout).toBe("thawed\n");
          await sandbox.stop({ graceMs: 0 });
        });

      test("a start called off in the middle leaves no container", async () => {
        const spec = { ...on.spec(), image: BUSYBOX };
        const proxy = await engineProxy(address);
        const driver = await driverOn(nameOf(kind), on.dataDir, { address: proxy.address });
        onTestFinished(async () => {
          await driver.close();
          await proxy.close();
        });
        await driver.create(spec);
        const off = new AbortController();
        // Its container runs, and nobody has been told so.
        proxy.answered = (line) => {
          if (/^POST .*\/start/.test(line)) off.abort(new Error("called off"));
        };
        await expect(driver.start(spec, { signal: off.signal })).rejects.toThrow("called off");
        expect(await containersOf(engine, on, spec)).toEqual([]);
      });

      test("a server's start removes what nobody knows any more, and nothing of anybody else", async () => {
        const { spec, sandbox } = await startOf(BUSYBOX);
        const stranger = await engine.api.createContainer({
          Image: BUSYBOX,
          Cmd: ["sleep", "1000"],
          Labels: { "runcode.server": "somebody-else", "runcode.workspace": String(spec.id) },
          HostConfig: { NetworkMode: "none" },
        });
        const next = await driverOn(nameOf(kind), on.dataDir);
        await next.reconcile?.((id) => id === spec.id);
        expect(await containersOf(engine, on, spec)).toHaveLength(1);
        await next.reconcile?.(() => false);
        expect(await containersOf(engine, on, spec)).toEqual([]);
        expect((await sandbox.ended).reason).toMatch(/removed|ended/);
        expect((await stranger.inspect()).Id).toBe(stranger.id);
        await stranger.remove({ force: true });
        await next.close();
      });
    });
  },
);

describe("an engine that does not do as it should", () => {
  /** Answers as an engine would, later or not at all: null is an answer that begins and does not go on. */
  async function fake(
    answer: (url: string) => Promise<object | null>,
  ): Promise<{ address: string; close: () => Promise<void> }> {
    const dir = await mkdtemp(path.join(tmpdir(), "runcode-fake-"));
    const server = createServer((request, response) => {
      void answer(request.url ?? "").then((body) => {
        response.writeHead(200, { "content-type": "application/json" });
        if (body === null) response.write("{");
        else response.end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(path.join(dir, "s"), resolve));
    return {
      address: `unix://${dir}/s`,
      close: async () => {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
        await rm(dir, { recursive: true });
      },
    };
  }
  const options = { image: null, network: "none", hardening: {} };

  test("one that answers slowly is waited for", async () => {
    const { DockerDriver } = await import("../../src/server/sandboxes/docker/driver.ts");
    const machine = process.arch === "x64" ? "amd64" : "arm64";
    const slow = await fake(async (url) => {
      await Bun.sleep(700);
      return url.includes("version")
        ? { Version: "99", Os: "linux", Arch: machine, Components: [] }
        : { MemoryLimit: true };
    });
    const driver = new DockerDriver(
      { dataDir: await mkdtemp(path.join(tmpdir(), "runcode-fake-")), self: ["/bin/true"] },
      { address: slow.address, ...options },
    );
    expect(await driver.probe()).toMatchObject({ ok: true, detail: expect.stringContaining("docker 99") as string });
    await driver.close();
    await slow.close();
  });

  test("one that stops in the middle of a file is given up", async () => {
    const { DockerDriver } = await import("../../src/server/sandboxes/docker/driver.ts");
    const answers: Record<string, object> = {
      "/version": { Version: "99", Os: "linux", Arch: "amd64", Components: [] },
      "/images/": { Id: "sha256:0", Config: {} },
      "/volumes/create": { Name: "volume" },
      "/volumes": { Volumes: [] },
      "/containers/create": { Id: "container" },
    };
    const stalling = await fake(async (url) => {
      const [, owner] = /^\/volumes\/runcode-([0-9a-f]+)-helper-/.exec(url) ?? [];
      if (owner) return await Promise.resolve({ Labels: { "runcode.server": owner, "runcode.helper": "any" } });
      const [, answer] = Object.entries(answers).find(([path]) => url.startsWith(path)) ?? [];
      return await Promise.resolve(url.includes("/archive") ? null : (answer ?? []));
    });
    const driver = new DockerDriver(
      { dataDir: await mkdtemp(path.join(tmpdir(), "runcode-stall-")), self: ["/bin/true"] },
      { address: stalling.address, ...options, answerMs: 500 },
    );
    await expect(driver.start({ id: 1, title: "box", image: "any", limits: {} })).rejects.toMatchObject({
      code: "unavailable",
    });
    await driver.close();
    await stalling.close();
  });

  test("one for another kind of machine is no engine for this server", async () => {
    const { DockerDriver } = await import("../../src/server/sandboxes/docker/driver.ts");
    const other = await fake(
      async () => await Promise.resolve({ Version: "99", Os: "linux", Arch: "s390x", Components: [] }),
    );
    const driver = new DockerDriver(
      { dataDir: await mkdtemp(path.join(tmpdir(), "runcode-fake-")), self: ["/bin/true"] },
      { address: other.address, ...options },
    );
    expect(await driver.probe()).toMatchObject({ ok: false, detail: expect.stringContaining("s390x") as string });
    await driver.close();
    await other.close();
  });

  test("one that is not there is said to be so, with what to do", async () => {
    const { DockerDriver } = await import("../../src/server/sandboxes/docker/driver.ts");
    const driver = new DockerDriver(
      { dataDir: await mkdtemp(path.join(tmpdir(), "runcode-fake-")), self: ["/bin/true"] },
      { address: "unix:///none.sock", ...options },
    );
    expect(await driver.probe()).toMatchObject({ ok: false, fix: expect.any(String) as string });
    await driver.close();
  });
});
