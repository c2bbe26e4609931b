// A remote command over the master, against the system's own sshd: its end, its streams, its signals, and that it runs
// once or not at all.
import { execa } from "execa";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { NotStarted, type OutputSink } from "../../src/ssh/channel.ts";
import { exitCodeOf, runRemote, type RunRequest } from "../../src/ssh/run.ts";
import { openMaster } from "../../src/ssh/master.ts";
import type { SshTarget } from "../../src/ssh/target.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { describeWith } from "../harness/index.ts";
import { testSshd, type TestSshd } from "../harness/sshd.ts";

describeWith(
  "sshd",
  "ssh",
  "ssh-keygen",
)("a command over the master", () => {
  let sshd: TestSshd;
  let dir: string;
  let at: TestSshd["at"];
  let target: SshTarget;

  const ssh = (...words: string[]) => execa("ssh", ["-F", target.config, ...words], { reject: false, stdin: "ignore" });
  const masterPid = async (): Promise<number> => {
    const { stderr, stdout } = await ssh("-O", "check", "ref");
    return Number(/pid=(\d+)/.exec(stderr + stdout)?.[1]);
  };

  beforeAll(async () => {
    sshd = await testSshd();
    ({ dir, at, target } = sshd);
  });
  beforeEach(() => openMaster(target));
  afterAll(async () => {
    await ssh("-O", "exit", "ref");
    await sshd.close();
  });

  type Outcome = { stdout: string; stderr: string; exit: number };
  async function run(words: readonly string[], more: Partial<RunRequest> = {}, to = target): Promise<Outcome> {
    const kept = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const output: OutputSink = (stream, bytes, done) => {
      kept[stream].push(bytes);
      done();
    };
    const exit = await runRemote(to, {
      words,
      directory: dir,
      base: dir,
      stdin: null,
      output,
      stop: { signal: new AbortController().signal },
      ...more,
    });
    const text = (stream: "stdout" | "stderr"): string => Buffer.concat(kept[stream]).toString();
    return { stdout: text("stdout"), stderr: text("stderr"), exit: exitCodeOf(exit) };
  }
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      (value) => expect.unreachable(`ended well: ${JSON.stringify(value)}`) as unknown,
      (error: unknown) => error,
    );
  /** Waits until a file is there; the remote commands say by it how far they are. */
  const there = (name: string): Promise<void> => expect.poll(() => existsSync(at(name))).toBe(true);
  const gone = async (pidFile: string): Promise<void> => {
    const pid = (await readFile(at(pidFile), "utf8")).trim();
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  };

  test("keeps stdout and stderr apart and gives the code untouched, 255 too", async () => {
    expect(await run(["echo out; echo err >&2; exit 7"])).toEqual({ stdout: "out\n", stderr: "err\n", exit: 7 });
    expect((await run(["exit 255"])).exit).toBe(255);
    expect((await run(["sh", "-c", "kill -TERM $$"])).exit).toBe(143);
    expect((await run(["sh", "-c", "kill -KILL $$"])).exit).toBe(137);
    expect((await run(["no-such-program", "x"])).exit).toBe(127);
  });

  test("gives end-of-file where there is no input, and all of it where there is some", async () => {
    expect((await run(["cat; echo end"])).stdout).toBe("end\n");
    expect((await run(["cat"], { stdin: Readable.from([Buffer.from("a\0b"), Buffer.from("\nc")]) })).stdout).toBe(
      "a\0b\nc",
    );
  });

  test("ends although its input does not", async () => {
    const endless = new Readable({ read() {} });
    endless.push("one line\n");
    expect((await run(["head -n 1"], { stdin: endless })).stdout).toBe("one line\n");
  });

  test("carries 64 MiB both ways, byte for byte", async () => {
    const block = randomBytes(1024 * 1024);
    const sent = createHash("sha256");
    const got = createHash("sha256");
    let left = 64;
    const stdin = new Readable({
      read() {
        if (left-- === 0) return void this.push(null);
        block.writeUInt32BE(left, 0);
        sent.update(block);
        this.push(Buffer.from(block));
      },
    });
    const slow: OutputSink = (_, bytes, done) => {
      got.update(bytes);
      setImmediate(done);
    };
    const { exit } = await run(["cat"], { stdin, output: slow });
    expect(exit).toBe(0);
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test("what nobody takes is not fetched: the window bounds what waits here", async () => {
    let waiting = 0;
    let most = 0;
    let taken = 0;
    const queue: (() => void)[] = [];
    const output: OutputSink = (_, bytes, done) => {
      waiting += bytes.length;
      most = Math.max(most, waiting);
      queue.push(() => {
        waiting -= bytes.length;
        taken += bytes.length;
        done();
      });
    };
    const timer = setInterval(() => queue.splice(0, 8).forEach((take) => take()), 1);
    try {
      await run(["head -c 16777216 /dev/zero"], { output });
    } finally {
      clearInterval(timer);
    }
    expect(taken).toBe(16777216);
    expect(most).toBeLessThanOrEqual(2 * 1024 * 1024);
  });

  test("names a directory that is missing, and does not run", async () => {
    const error = await failure(run(["touch", at("ran")], { directory: "/no such\u001b[31m/dir" }));
    expect(error).toMatchObject({ code: "not_found" });
    expect(existsSync(at("ran"))).toBe(false);
  });

  test("was not sent when there is no master, or something else listens there", async () => {
    const nowhere = { ...target, controlPath: at("nobody") };
    expect(await failure(run(["touch", at("ran")], {}, nowhere))).toMatchObject({
      name: "NotStarted",
      why: "no-master",
    });
    const impostor = Bun.listen({
      unix: at("impostor"),
      socket: { open: (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"), data() {} },
    });
    const error = await failure(run(["touch", at("ran")], {}, { ...target, controlPath: at("impostor") }));
    impostor.stop(true);
    expect(error).toBeInstanceOf(NotStarted);
    expect(existsSync(at("ran"))).toBe(false);
  });

  test("the master killed midway: it ran once, and that it may have begun is said", async () => {
    const running = failure(run([`echo x >> ${at("count")}; touch ${at("begun")}; sleep 20`]));
    await there("begun");
    process.kill(await masterPid(), "SIGKILL");
    expect(await running).toMatchObject({ code: "ssh_failed", phase: "remote" });
    expect(await readFile(at("count"), "utf8")).toBe("x\n");
  });

  test("an interrupt reaches the command, which may end in its own way", async () => {
    const stop = new AbortController();
    const line = `trap 'echo heard > ${at("heard")}; exit 3' INT; echo $$ > ${at("int.pid")}; touch ${at("ready")}; while :; do sleep 0.1; done`;
    const running = failure(run([line], { stop: { signal: stop.signal } }));
    await there("ready");
    stop.abort(new RuncodeError("interrupted", "interrupted"));
    expect(await running).toMatchObject({ code: "interrupted" });
    expect(await readFile(at("heard"), "utf8")).toBe("heard\n");
    await gone("int.pid");
  });

  test("a command that will not hear is killed as soon as there is a second interrupt, with what left its group", async () => {
    const stop = new AbortController();
    const hurry = new AbortController();
    const line = `trap '' INT TERM; setsid sh -c 'echo $$ > ${at("stray.pid")}; sleep 60' & echo $$ > ${at("deaf.pid")}; until [ -s ${at("stray.pid")} ]; do sleep 0.02; done; touch ${at("deaf")}; while :; do sleep 0.1; done`;
    const running = failure(run([line], { stop: { signal: stop.signal, hurry: hurry.signal } }));
    await there("deaf");
    stop.abort(new RuncodeError("interrupted", "interrupted"));
    hurry.abort();
    expect(await running).toMatchObject({ code: "interrupted" });
    await gone("deaf.pid");
    await gone("stray.pid");
  });

  test("a time limit ends the command", async () => {
    const error = await failure(run([`echo $$ > ${at("late.pid")}; exec sleep 60`], { timeoutMs: 4000 }));
    expect(error).toMatchObject({ code: "timeout", phase: "remote" });
    await gone("late.pid");
  });

  test("without a master it goes by ssh's own client, with the same answers", async () => {
    const config = at("plain-config");
    await writeFile(config, (await readFile(target.config, "utf8")).replaceAll(/^ *Control.*$/gm, ""));
    const plain = { ...target, config, controlPath: null };
    expect(await run(["echo out; echo err >&2; exit 7"], {}, plain)).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      exit: 7,
    });
    expect((await run(["sh", "-c", "kill -KILL $$"], {}, plain)).exit).toBe(137);
    expect(await failure(run(["true"], { directory: "/no/dir" }, plain))).toMatchObject({ code: "not_found" });
    const stop = new AbortController();
    const running = failure(
      run([`echo $$ > ${at("own.pid")}; touch ${at("own")}; exec sleep 60`], { stop: { signal: stop.signal } }, plain),
    );
    await there("own");
    stop.abort(new RuncodeError("terminated", "terminated"));
    expect(await running).toMatchObject({ code: "terminated" });
    await gone("own.pid");
  });
});
