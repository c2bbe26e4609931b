// Jobs over the system's own sshd, on every kind of shell and tools that a workspace may have: the scripts that run there
// are the subject, and nothing of ours is on the far side.
import { mkdir, readdir, realpath, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  jobLogs,
  jobStatus,
  killJob,
  KEPT,
  KEPT_JOBS,
  listJobs,
  newJobId,
  removeJobs,
  startJob,
  waitForJob,
  type Job,
  type JobRequest,
} from "../../src/ssh/jobs/index.ts";
import { closeMaster, openMaster } from "../../src/ssh/master.ts";
import type { SshTarget } from "../../src/ssh/target.ts";
import { describeWith, which, type Tool } from "../harness/index.ts";
import { testSshd, type TestSshd } from "../harness/sshd.ts";

/** All that the far side needs beside a shell. */
const NEEDED = "cat cut date dd du find grep head ls mkdir mkfifo mv readlink rm sleep tail tr wc".split(" ");

interface Subject {
  readonly name: string;
  readonly tools: readonly Tool[];
  /** What stands in for /bin/sh, and whether its applets are the only tools; null is the machine as it is. */
  readonly shell: Tool | null;
  readonly applets?: true;
  /** Whether there is a setsid, and whether a command leads its session as sshd has it. */
  readonly setsid: boolean;
  readonly leads: boolean;
}

const SUBJECTS: readonly Subject[] = [
  { name: "this machine's sh and tools", tools: [], shell: null, setsid: true, leads: true },
  { name: "bash as sh", tools: ["bwrap", "bash"], shell: "bash", setsid: true, leads: true },
  { name: "busybox alone", tools: ["bwrap", "busybox"], shell: "busybox", applets: true, setsid: true, leads: true },
  { name: "no setsid", tools: ["bwrap", "dash"], shell: "dash", setsid: false, leads: true },
  {
    name: "a command that leads no session",
    tools: ["bwrap", "busybox"],
    shell: "busybox",
    applets: true,
    setsid: true,
    leads: false,
  },
];

describe.each(SUBJECTS)("jobs on $name", ({ tools, shell, applets, setsid, leads }) => {
  describeWith(
    "sshd",
    "ssh",
    "ssh-keygen",
    ...tools,
  )("", () => {
    let sshd: TestSshd;
    let dir: string;
    let at: TestSshd["at"];
    let target: SshTarget;
    const { signal } = new AbortController();
    const kept = (...parts: string[]): string => at(path.join("sshd/.runcode/jobs", ...parts));

    /** A bin directory of that shell and these tools, and the sshd line that makes commands run with nothing else. */
    async function withTools(at: TestSshd["at"]): Promise<string[]> {
      if (shell === null) return [];
      const program = which(shell) as string;
      await mkdir(at("bin"));
      for (const tool of [...NEEDED, ...(setsid ? ["setsid"] : [])])
        await symlink(applets ? program : (which(tool) as string), at(`bin/${tool}`));
      await symlink("/bin/sh", at("bin/sh"));
      const bwrap = `${which("bwrap")} --dev-bind / / --ro-bind ${program} ${await realpath("/bin/sh")} ${leads ? "--new-session" : ""} --setenv PATH ${at("bin")} --setenv SHELL /bin/sh`;
      await writeFile(at("force"), `exec ${bwrap} /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n`);
      return [`ForceCommand /bin/sh ${at("force")}`];
    }

    beforeAll(async () => {
      sshd = await testSshd(withTools);
      ({ dir, at, target } = sshd);
      await openMaster(target);
    });
    afterAll(async () => {
      for (const { id, state } of await listJobs(target, { signal }))
        if (state === "running") await killJob(target, id, { signal, signalName: "KILL", graceMs: 0 });
      await closeMaster(target);
      await sshd.close();
    });

    async function start(line: string, more: Partial<JobRequest> = {}): Promise<string> {
      const id = newJobId();
      await startJob(target, { id, words: [line], directory: dir, ...more }, { signal });
      return id;
    }
    const ended = async (id: string): Promise<Job> => {
      for (;;) {
        const job = await waitForJob(target, id, { signal, waitMs: 5000 });
        if (job.state !== "running") return job;
      }
    };
    const texts = async (id: string): Promise<string[]> => {
      const { stdout, stderr } = await jobLogs(target, id, { signal, stdout: 0, stderr: 0 });
      return [stdout, stderr].map((piece) => Buffer.from(piece?.bytes ?? []).toString());
    };
    /** Waits until a job has said something. */
    const said = async (id: string, text: string): Promise<void> => {
      for (let from = 0, all = ""; !all.includes(text);) {
        const { job, stdout } = await jobLogs(target, id, { signal, stdout: from, stderr: null, waitMs: 5000 });
        all += Buffer.from(stdout?.bytes ?? []).toString();
        from = stdout?.nextOffset ?? 0;
        if (!all.includes(text) && job.state !== "running") throw new Error(`never said ${text}: ${all}`);
      }
    };

    test("keeps the code, both streams, the directory and the variables", async () => {
      const id = await start('pwd; echo "$A" >&2; exit 7', { env: ["A=a  'b'"] });
      expect(await ended(id)).toMatchObject({ id, state: "exited", exitCode: 7, endedBy: null, directory: dir });
      expect(await texts(id)).toEqual([`${dir}\n`, "a  'b'\n"]);
      const argv = newJobId();
      await startJob(
        target,
        { id: argv, words: ["sh", "-c", 'printf "%s|" "$@"', "sh", "a b", "-n", "*"], directory: dir },
        { signal },
      );
      expect(await ended(argv)).toMatchObject({ exitCode: 0 });
      expect(await texts(argv)).toEqual(["a b|-n|*|", ""]);
    });

    test("says 128+n for a signal, and 127 for what is not there", async () => {
      expect((await ended(await start("kill -TERM $$"))).exitCode).toBe(143);
      expect((await ended(await start("no-such-program"))).exitCode).toBe(127);
    });

    test("gives it no input, or all of what it is given", async () => {
      const without = await start("cat; echo end");
      const given = await start("wc -c | tr -d ' '", { stdin: new Uint8Array(200_000) });
      await ended(without);
      await ended(given);
      expect([await texts(without), await texts(given)]).toEqual([
        ["end\n", ""],
        ["200000\n", ""],
      ]);
    });

    test("is told of while it runs, by offsets", async () => {
      const id = await start("echo one; until [ -e go ]; do sleep 0.1; done; echo two");
      await said(id, "one\n");
      await writeFile(at("go"), "");
      const { state } = await ended(id);
      const rest = await jobLogs(target, id, { signal, stdout: 4, stderr: { lines: 1 } });
      expect([state, Buffer.from(rest.stdout?.bytes ?? []).toString(), rest.more]).toEqual(["exited", "two\n", false]);
    });

    test("keeps the beginning and the end of much, and never more than it says", async () => {
      const id = await start("echo begin; head -c 20000000 /dev/zero; echo; echo end");
      const job = await ended(id);
      expect(job.stdout).toEqual({ bytes: 20_000_011, truncated: true });
      const pieces = (await readdir(kept(id))).filter((name) => name.startsWith("stdout.1"));
      const sizes = await Promise.all(pieces.map(async (name) => Bun.file(kept(id, name)).size));
      const all = sizes.reduce((sum, size) => sum + size, 0);
      expect(all).toBeLessThanOrEqual(KEPT.most);
      expect(all).toBeGreaterThanOrEqual(KEPT.head + KEPT.tail);
      const tail = await jobLogs(target, id, { signal, stdout: { lines: 1 }, stderr: null });
      expect(Buffer.from(tail.stdout?.bytes ?? []).toString()).toBe("end\n");
      const middle = await jobLogs(target, id, { signal, stdout: 5_000_000, stderr: null, maxBytes: 10 });
      expect(middle.stdout?.skipped).toBeGreaterThan(0);
      expect(middle).toMatchObject({ more: true, stdout: { offset: 5_000_000 + (middle.stdout?.skipped ?? 0) } });
    });

    test("goes on when the master that began it is gone", async () => {
      const id = await start("echo there; until [ -e on ]; do sleep 0.1; done; echo done");
      await closeMaster(target);
      await openMaster(target);
      await writeFile(at("on"), "");
      expect(await ended(id)).toMatchObject({ exitCode: 0 });
      expect(await texts(id)).toEqual(["there\ndone\n", ""]);
    });

    // Once is enough.
    if (shell === null)
      test("is begun by ssh's own client where there is no master", async () => {
        const config = at("plain-config");
        await writeFile(config, (await Bun.file(target.config).text()).replaceAll(/^ *Control.*$/gm, ""));
        const plain = { ...target, config, controlPath: null };
        const id = newJobId();
        await startJob(plain, { id, words: ["echo there; exit 3"], directory: dir }, { signal });
        const job = await waitForJob(plain, id, { signal, waitMs: 20_000 });
        expect([job.exitCode, await texts(id)]).toEqual([3, ["there\n", ""]]);
      });

    test("is killed with all that it started, the deaf as well", async () => {
      const id = await start(
        `trap '' TERM; sh -c 'trap "" TERM; echo $$ >deaf; while :; do sleep 0.1; done' & until [ -s deaf ]; do sleep 0.1; done; echo ready; wait; wait`,
      );
      await said(id, "ready");
      const job = await killJob(target, id, { signal, signalName: "TERM", graceMs: 1000 });
      expect(job).toMatchObject({ state: "exited", exitCode: 137, endedBy: "kill" });
      const deaf = (await Bun.file(at("deaf")).text()).trim();
      const status = await Bun.file(`/proc/${deaf}/status`)
        .text()
        .catch(() => "gone");
      expect(status === "gone" || /^State:\s+Z/m.test(status)).toBe(true);
      expect(await killJob(target, id, { signal, signalName: "TERM", graceMs: 1000 })).toEqual(job);
    });

    // Nothing else gets out of the shell that would make it deaf.
    if (setsid && leads)
      test("hears INT", async () => {
        const id = await start("trap 'echo heard; exit 5' INT; echo ready; while :; do sleep 0.1; done");
        await said(id, "ready");
        const job = await killJob(target, id, { signal, signalName: "INT", graceMs: 20_000 });
        expect([job.exitCode, await texts(id)]).toEqual([5, ["ready\nheard\n", ""]]);
      });

    test("is ended by its time limit", async () => {
      expect(await ended(await start("sleep 600", { timeoutMs: 1000 }))).toMatchObject({
        exitCode: 143,
        endedBy: "timeout",
        timeoutMs: 1000,
      });
    });

    test("is refused where its input is cut short or its id is taken, and leaves nothing", async () => {
      const id = await start("true");
      await ended(id);
      await expect(start("true", { id })).rejects.toMatchObject({ code: "conflict" });
      expect((await readdir(kept())).filter((name) => name.startsWith("."))).toEqual([]);
      await expect(jobStatus(target, "0123456789abcdef", { signal })).rejects.toMatchObject({ code: "not_found" });
    });

    test("the oldest that have ended are let go, one that runs never", async () => {
      await removeJobs(target, "finished", { signal });
      const running = await start("sleep 600");
      for (let i = 0; i < KEPT_JOBS.count + 5; i++) {
        const id = i.toString(16).padStart(16, "0");
        await mkdir(kept(id));
        await writeFile(kept(id, "about"), `1 1 x ${i} 0\n/\ntrue\n`);
        await writeFile(kept(id, "end"), `0 ${i}\n`);
      }
      const last = await start("true");
      await ended(last);
      // The supervisor looks after the old ones when it has recorded the end.
      for (;;) {
        const jobs = await listJobs(target, { signal });
        if (jobs.length > KEPT_JOBS.count + 1) continue;
        expect(jobs.length).toBe(KEPT_JOBS.count + 1);
        expect(jobs.map(({ id }) => id)).toEqual(expect.arrayContaining([last, running]));
        break;
      }
      expect(await removeJobs(target, "finished", { signal })).toHaveLength(KEPT_JOBS.count);
    });
  });
});
