// Programs on a pseudo-terminal: size, signals by key, end-of-file, hang-up, and every last byte.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WITH_STREAM, nap, run, seen, subject, type Subject } from "./subjects.ts";
import { buffer, text } from "node:stream/consumers";
import type { Sandbox, SandboxProcess } from "../../src/server/sandboxes/driver.ts";

const pty = { term: "xterm-256color", columns: 101, rows: 37 };

describe.each(WITH_STREAM)("terminals under the %s driver", (name) => {
  let on: Subject;
  let sandbox: Sandbox;
  const exec = async (command: string | null | readonly string[]): Promise<SandboxProcess> =>
    await sandbox.exec({ command, pty });
  beforeAll(async () => {
    on = await subject(name);
    sandbox = await on.sandbox();
  });
  afterAll(async () => await on.close());

  test("the terminal has the size and the name that were asked for, and one stream", async () => {
    const process = await exec("stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo three; : </dev/tty");
    expect(process.stderr).toBeNull();
    expect(await text(process.stdout)).toBe("37 101\r\nxterm-256color\r\nthree\r\n");
    expect(await process.exited).toEqual({ code: 0 });
  });

  test("a resize reaches the program as SIGWINCH with the new size", async () => {
    const process = await exec("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done");
    await seen(process.stdout, "ready");
    process.resize(120, 50);
    await seen(process.stdout, "50 120");
    expect(await process.exited).toEqual({ code: 0 });
  });

  test("^C interrupts what is in the foreground, and its answer counts", async () => {
    const process = await exec("trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done");
    await seen(process.stdout, "ready");
    process.stdin.write("\x03");
    expect(await process.exited).toEqual({ code: 9 });
    const sleeper = await exec("echo ready; exec sleep 1000");
    await seen(sleeper.stdout, "ready");
    sleeper.stdin.write("\x03");
    expect(await sleeper.exited).toMatchObject({ signal: "INT" });
  });

  test("a signal goes where ^C would go", async () => {
    const process = await exec("trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done");
    await seen(process.stdout, "ready");
    process.signal("TERM");
    expect(await process.exited).toEqual({ code: 8 });
  });

  test("ending stdin is end-of-file", async () => {
    const process = await exec("cat; echo over");
    process.stdin.end("half a line");
    expect(await text(process.stdout)).toContain("over");
    expect(await process.exited).toEqual({ code: 0 });
  });

  test("an interactive shell has job control and runs what is typed", async () => {
    const process = await exec(null);
    process.stdin.write("sleep 1000 &\nkill %1 && echo killed-$((40+2))\nexit 6\n");
    const output = await text(process.stdout);
    expect(output).toContain("killed-42");
    expect(output).not.toContain("no job control");
    expect(await process.exited).toEqual({ code: 6 });
  });

  test("the last byte comes before the end of the stream, however much there is", async () => {
    for (let round = 0; round < 10; round++) {
      const process = await exec("head -c 300000 /dev/zero | tr '\\0' x; printf END");
      const all = await buffer(process.stdout);
      expect(all.length).toBe(300_003);
      expect(all.subarray(-3).toString()).toBe("END");
    }
  });

  test("output that nobody reads stops the program, and goes on where it was", async () => {
    const process = await exec("stty -ixon raw; head -c 80000000 /dev/zero | tr '\\0' x; printf END");
    await new Promise((resolve) => process.stdout.once("readable", resolve));
    await new Promise((resolve) => setTimeout(resolve, 500));
    // The stop takes effect when the event loop comes by, so how much is over depends on the machine's load; without it
    // all 80 MB would be here.
    expect(process.stdout.readableLength).toBeLessThan(48 * 1024 * 1024);
    const all = await buffer(process.stdout);
    expect(all.length).toBe(80_000_003);
    expect(all.subarray(-3).toString()).toBe("END");
  });

  test("output that is stopped and goes on at once, hundreds of times, comes to its end", async () => {
    const { stdout } = await exec("head -c 20000000 /dev/zero | tr '\\0' x; printf END");
    let length = 0;
    const ended = new Promise((resolve) => stdout.once("end", resolve));
    stdout.on("data", (bytes: Buffer) => {
      length += bytes.length;
      if (stdout.isPaused()) return;
      stdout.pause();
      // As soon as so much waits that the terminal was stopped, or no more comes: before the kernel has come to the stop.
      const latest = Date.now() + 300;
      const go = (): void => {
        if (stdout.readableLength >= stdout.readableHighWaterMark || Date.now() > latest) stdout.resume();
        else setImmediate(go);
      };
      setImmediate(go);
    });
    await ended;
    // A ^S that comes to the terminal in the midst of the going on may be echoed.
    expect(length).toBeGreaterThanOrEqual(20_000_003);
  });

  test("input that the program does not read stops being taken, and arrives whole once it reads", async () => {
    const process = await exec(
      "stty raw -echo; echo ready; until [ -e go ]; do sleep 0.05; done; head -c 8000000 | wc -c",
    );
    await seen(process.stdout, "ready");
    let accepted = 0;
    const chunk = Buffer.alloc(65_536, "x");
    const give = (): void => void process.stdin.write(chunk, (error) => error ?? (accepted += chunk.length));
    for (let at = 0; at < 8_000_000; at += chunk.length) give();
    await run(sandbox, "sleep 0.3");
    expect(accepted).toBeLessThan(1024 * 1024);
    await run(sandbox, "touch go");
    process.stdout.resume();
    expect(await text(process.stdout)).toContain("8000000");
  });

  test("what echoes its input goes on after nobody read it for a while, with both directions full", async () => {
    const process = await exec("stty raw -echo; echo ready; exec cat");
    await seen(process.stdout, "ready");
    const most = 4_000_000;
    process.stdin.write(Buffer.alloc(most, "x"));
    await run(sandbox, "sleep 0.3");
    let count = 0;
    for await (const piece of process.stdout) if ((count += (piece as Buffer).length) >= most) break;
    expect(count).toBeGreaterThanOrEqual(most);
    process.kill();
    await process.exited;
  });

  test("a hang-up reaches the shell and its job", async () => {
    const process = await exec("trap 'exit 0' HUP; echo ready; while :; do sleep 0.05; done");
    await seen(process.stdout, "ready");
    process.kill();
    expect(await process.exited).toEqual({ code: 0 });
  });

  test("a program that will not hear the hang-up is ended all the same", async () => {
    const process = await exec("trap '' HUP TERM INT; echo ready; while :; do sleep 0.05; done");
    await seen(process.stdout, "ready");
    process.kill();
    expect(await process.exited).toMatchObject({ signal: "KILL" });
  });

  // As under sshd: the kernel hangs up on the shell and, when that has ended, on its foreground; the shell on its other jobs.
  describe.skipIf(globalThis.process.platform !== "linux")("of a shell and its jobs", () => {
    /** A shell with one job in the foreground, and three behind: one like any other, one deaf to hang-ups, one disowned. */
    const shell = async () => {
      const [front, back, deaf, free] = [nap(), nap(), nap(), nap()];
      const process = await exec(["bash", "--norc", "--noediting", "-i"]);
      const behind = `sleep ${back} & nohup sleep ${deaf} >/dev/null 2>&1 & sleep ${free} & disown`;
      process.stdin.write(`${behind}; echo shell=$$.; sleep ${front}\n`);
      const [, pid] = /shell=(\d+)\./.exec(await seen(process.stdout, /shell=\d+\./)) as RegExpExecArray;
      process.stdout.resume();
      const jobs = { front, back, deaf, free };
      const living = async (): Promise<string[]> => {
        // Of what has not become another program yet, a hang-up may be lost.
        const { stdout } = await run(sandbox, "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'");
        const words = new Set(stdout.split("\n"));
        return Object.entries(jobs).flatMap(([name, seconds]) => (words.has(String(seconds)) ? [name] : []));
      };
      await expect.poll(living).toEqual(["front", "back", "deaf", "free"]);
      return { process, pid, living };
    };

    test("a terminal that goes takes all of it, but what is deaf or was disowned", async () => {
      const { process, living } = await shell();
      process.kill();
      expect(await process.exited).toEqual({ signal: "HUP", coreDumped: false });
      await expect.poll(living).toEqual(["deaf", "free"]);
    });

    test("a shell that is killed takes its foreground along, and leaves what runs behind", async () => {
      const { process, pid, living } = await shell();
      await run(sandbox, `kill -9 ${pid}`);
      expect(await process.exited).toMatchObject({ signal: "KILL" });
      await expect.poll(living).toEqual(["back", "deaf", "free"]);
    });
  });

  test("a background process that holds the terminal does not keep the stream open", async () => {
    const process = await exec("trap '' HUP; sleep 1000 & printf last; exit 2");
    expect(await text(process.stdout)).toBe("last");
    expect(await process.exited).toEqual({ code: 2 });
  });
});
