// What becomes of a job whose beginning was not heard of, and of a follower whose connection is lost: against the system's own
// sshd, over a master's socket that breaks on cue.
import { afterAll, beforeAll, expect, test } from "vitest";
import { detach, followJob, waitJob, type JobDeps } from "../../src/bundle/jobs.ts";
import type { Session, Sessions } from "../../src/bundle/session.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { jobStatus } from "../../src/ssh/jobs/index.ts";
import { closeMaster, openMaster } from "../../src/ssh/master.ts";
import { describeWith } from "../harness/index.ts";
import { testSshd, type TestSshd } from "../harness/sshd.ts";

describeWith(
  "sshd",
  "ssh",
  "ssh-keygen",
)("a connection that is lost", () => {
  let sshd: TestSshd;
  let dir: string;
  let at: TestSshd["at"];
  /** The session, and the same over a socket that breaks. */
  let session: Session;
  let broken: Session;
  const { signal } = new AbortController();
  const deps = (over: Partial<JobDeps> = {}): JobDeps => ({
    clock: systemClock,
    signal,
    sessions: async () => ({ ensure: async () => ({ session, reused: true }) }) as unknown as Sessions,
    ...over,
  });
  const command = (line: string) => ({ words: [line], directory: dir, base: dir });

  /** Stands before the master's socket, and breaks off once what a client sent has this in it: with it passed on, or kept back. */
  function breaksOn(text: string, passes: boolean): () => void {
    const server = Bun.listen<{ up: Bun.Socket | null; waiting: Buffer[] }>({
      unix: at("broken"),
      socket: {
        async open(client) {
          client.data = { up: null, waiting: [] };
          client.data.up = await Bun.connect({
            unix: at("sshd/m"),
            socket: { data: (_, bytes) => void client.write(bytes), close: () => void client.end() },
          });
          for (const bytes of client.data.waiting) client.data.up.write(bytes);
        },
        data(client, bytes) {
          const { up, waiting } = client.data;
          const cue = bytes.includes(text);
          if (up === null) waiting.push(Buffer.from(bytes));
          else if (!cue || passes) up.write(bytes);
          // The far side has read it by the time that the job is there; what it answers is not heard.
          if (cue) client.end();
        },
        close: () => {},
      },
    });
    return () => server.stop(true);
  }

  beforeAll(async () => {
    sshd = await testSshd();
    ({ dir, at } = sshd);
    const more = { workspaceId: 1, capabilities: null, mintedAt: Date.now() };
    session = { ...sshd.target, ...more } as unknown as Session;
    broken = { ...session, controlPath: at("broken") };
    await openMaster(session);
  });
  afterAll(async () => {
    await closeMaster(session);
    await sshd.close();
  });

  test("while a job began is no failure where the job is found", async () => {
    const stop = breaksOn("RUNCODE_EXEC_ID", true);
    try {
      const id = await detach(deps(), broken, command("echo x >>count; echo there"), null);
      const job = await waitJob(deps(), session, id, { timeoutMs: undefined, patience: { forMs: 1000 } });
      expect(job).toMatchObject({ id, state: "exited", exitCode: 0 });
      expect(await Bun.file(at("count")).text()).toBe("x\n");
    } finally {
      stop();
    }
  });

  test("before a job began is told with the id that it would have, and it is not started again", async () => {
    const stop = breaksOn("RUNCODE_EXEC_ID", false);
    try {
      const error = await detach(deps(), broken, command("touch ran"), null).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "ssh_failed",
        phase: "remote",
        jobId: expect.stringMatching(/^[0-9a-f]{16}$/),
      });
      const { jobId = "" } = error as RuncodeError;
      expect((error as RuncodeError).toJSON().job_id).toBe(jobId);
      await expect(jobStatus(session, jobId, { signal })).rejects.toMatchObject({ code: "not_found" });
      expect(await Bun.file(at("ran")).exists()).toBe(false);
    } finally {
      stop();
    }
  });

  test("an interrupt while a job begins says which it would be", async () => {
    const stop = new AbortController();
    const server = Bun.listen({
      unix: at("silent"),
      socket: { data: () => stop.abort(new RuncodeError("interrupted", "interrupted")) },
    });
    try {
      const silent = { ...session, controlPath: at("silent") };
      const error = await detach(deps({ signal: stop.signal }), silent, command("true"), null).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: "interrupted", phase: "remote", jobId: expect.any(String) });
    } finally {
      server.stop(true);
    }
  });

  test("is made anew by who follows, which misses nothing and reads nothing twice", async () => {
    const id = await detach(deps(), session, command("for i in 1 2 3 4; do echo $i; sleep 0.3; done"), null);
    const stop = breaksOn("RUNCODE_EXEC_ID", false);
    let lost = 0;
    try {
      let text = "";
      const patience = { forMs: 10_000, onLost: () => void lost++ };
      const from = { stdout: 0, stderr: 0, follow: true };
      for await (const { stdout } of followJob(deps(), broken, id, from, patience))
        text += Buffer.from(stdout?.bytes ?? []).toString();
      expect(text).toBe("1\n2\n3\n4\n");
      expect(lost).toBeGreaterThan(0);
    } finally {
      stop();
    }
  });
});
