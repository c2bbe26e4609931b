// Commands over the system's own ssh.
import { execa } from "execa";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { remoteLine } from "../../src/ssh/remote-command.ts";
import { noise, sha256, world } from "./fixture.ts";
import type { World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world({ hangupGraceMs: 500 });
});
afterAll(() => w.close());

describe("a command's end", () => {
  test.each([0, 1, 7, 128, 254])("code %i arrives as it is", async (code) => {
    expect((await w.ssh([`exit ${code}`])).exitCode).toBe(code);
  });

  test("a signal that ends it is told as a signal, which ssh makes 255", async () => {
    const { exitCode, stderr } = await w.ssh(["kill -KILL $$"], { flags: ["-v"] });
    expect(exitCode).toBe(255);
    expect(stderr).toContain("exit-signal");
  });

  test("the status comes after the last byte of both streams", async () => {
    const line = "head -c 3000000 /dev/zero | tr '\\0' o; head -c 3000000 /dev/zero | tr '\\0' e >&2; exit 9";
    const { exitCode, stdout, stderr } = await w.ssh([line], { maxBuffer: 1e8 });
    expect([exitCode, String(stdout).length, String(stderr).length]).toEqual([9, 3_000_000, 3_000_000]);
  });

  test("what it left in the background neither holds up the answer nor is ended by it", async () => {
    const fifo = path.join(w.dir, "fifo");
    // It holds both streams open, and writes to them when told to, long after the session was closed.
    const line = `mkfifo ${fifo}; (read -r word < ${fifo}; echo $word; echo $word > ${fifo}.out) & echo started; exit 4`;
    const { stdout, exitCode } = await w.ssh([line]);
    expect([stdout, exitCode]).toEqual(["started\n", 4]);
    await w.ssh([`echo alive > ${fifo}`]);
    const { stdout: said } = await w.ssh([`while ! [ -s ${fifo}.out ]; do sleep 0.02; done; cat ${fifo}.out`]);
    expect(said).toBe("alive\n");
  });
});

describe("the login shell of a command that runcode sends", () => {
  const ran = async (words: readonly string[]): Promise<{ stdout: string; command: unknown }> => {
    const exec = vi.spyOn(w.sandbox, "exec");
    try {
      const line = remoteLine({ words, directory: "/", base: "/", id: "0123456789abcdef" });
      const { stdout } = await w.ssh([line]);
      return { stdout: String(stdout), command: exec.mock.calls[0]?.[0].command };
    } finally {
      exec.mockRestore();
    }
  };

  test("is started once for a line of its own", async () => {
    const { stdout, command } = await ran(["pwd; echo it\\'s $RUNCODE_EXEC_ID"]);
    expect(stdout).toBe("/\nit's 0123456789abcdef\n");
    expect(command).toEqual(["/bin/sh", "-c", expect.stringContaining("own-shell-last")]);
  });

  test("comes first for a program, which finds what its start-up files set", async () => {
    const { stdout, command } = await ran(["printf", "%s", "it's"]);
    expect(stdout).toBe("it's");
    expect(command).toEqual(expect.stringMatching(/^exec \/bin\/sh -c /));
  });
});

describe("streams", () => {
  test("stdout and stderr stay apart, byte for byte", async () => {
    const { stdout, stderr } = await w.ssh(["printf out; printf err >&2"]);
    expect([stdout, stderr]).toEqual(["out", "err"]);
  });

  test("the end of stdin reaches the command, and its answer comes after it", async () => {
    const { stdout } = await w.ssh(["cat; echo after"], { input: "before\n" });
    expect(stdout).toBe("before\nafter\n");
  });

  test("64 MiB go both ways unchanged, and through many key exchanges", async () => {
    const { file, sha256: sum } = noise(path.join(w.dir, "noise"), 64 * 1024 * 1024);
    for (const flags of [[], ["-o", "RekeyLimit=1M"]]) {
      const { stdout } = await w.ssh(["cat"], { flags, inputFile: file, encoding: "buffer", maxBuffer: 1e9 });
      expect(sha256(stdout as unknown as Uint8Array)).toBe(sum);
    }
  });

  test("a command that does not read its input may still end", async () => {
    const { exitCode } = await w.ssh(["exec 0<&-; exit 3"], { input: Buffer.alloc(8 * 1024 * 1024) });
    expect(exitCode).toBe(3);
  });

  test("stdout blocked by the window and stderr after it both arrive whole and once", async () => {
    // A reader that waits first, so that both streams of the server run out of window, one after the other.
    const line = "yes o | head -c 6000000; yes e | head -c 6000000 >&2; yes O | head -c 3000000";
    const out = path.join(w.dir, "o");
    const err = path.join(w.dir, "e");
    const slow = `ssh -F "$1" w "$4" 2> >(sleep 1; cat > "$3"; : > "$3.done") > >(sleep 1; cat > "$2"; : > "$2.done")`;
    const wait = `while ! [ -e "$2.done" ] || ! [ -e "$3.done" ]; do sleep 0.02; done`;
    const { exitCode } = await execa(
      "bash",
      ["-c", `${slow}; code=$?; ${wait}; exit $code`, "bash", w.key().config, out, err, line],
      { reject: false, timeout: 120_000 },
    );
    expect(exitCode).toBe(0);
    expect(readFileSync(out, "latin1")).toBe("o\n".repeat(3_000_000) + "O\n".repeat(1_500_000));
    expect(readFileSync(err, "latin1")).toBe("e\n".repeat(3_000_000));
  });
});

describe("what comes before a command", () => {
  test("allow-listed variables are set, others are not", async () => {
    const flags = ["-o", "SendEnv=*", "-o", "LogLevel=ERROR"];
    const env = { LC_ALL: "C.UTF-8", GIT_PROTOCOL: "version=2", LD_PRELOAD: "", BASH_ENV: "/nope", FOO: "bar" };
    const { stdout } = await w.ssh(["echo $LC_ALL,$GIT_PROTOCOL,$FOO,$BASH_ENV"], { flags, env });
    expect(stdout).toBe("C.UTF-8,version=2,,\n");
  });

  test("200 commands at once over one connection all succeed", async () => {
    const control = path.join(w.dir, "cm");
    const key = w.key();
    const flags = ["-o", `ControlPath=${control}`];
    const master = w.ssh([], { key, flags: [...flags, "-M", "-N"] });
    await w.event((event) => event.event === "opened");
    await expect.poll(async () => (await w.ssh([], { key, flags: [...flags, "-O", "check"] })).exitCode).toBe(0);
    const ran = await Promise.all(
      Array.from({ length: 200 }, (_, index) => w.ssh([`echo ${index}; sleep 1`], { key, flags })),
    );
    expect(ran.map(({ stdout, exitCode }) => [String(stdout), exitCode])).toEqual(
      ran.map((_, index) => [`${index}\n`, 0]),
    );
    await w.ssh([], { key, flags: [...flags, "-O", "exit"] });
    await master;
  });
});

describe("a client that goes", () => {
  test("its command hears a hang-up and does not live on", async () => {
    const said = path.join(w.dir, "said");
    writeFileSync(said, "");
    const line = `trap 'echo hup >> ${said}; exit' HUP; echo $$; while :; do sleep 0.05; done`;
    const ssh = w.ssh([line], { buffer: false });
    const pid = await new Promise<string>((resolve) =>
      ssh.stdout?.once("data", (data) => resolve(String(data).trim())),
    );
    ssh.kill("SIGKILL");
    await ssh;
    await gone(pid);
    expect(readFileSync(said, "utf8")).toBe("hup\n");
  });

  test("what did not hear it comes to the end of its input, long before the grace is over", async () => {
    const patient = await world({ hangupGraceMs: 3_600_000 });
    try {
      const said = path.join(patient.dir, "said");
      const line = `trap '' HUP; echo $$; cat >/dev/null; echo end >${said}`;
      const ssh = patient.ssh([line], { buffer: false, stdin: "pipe" });
      const pid = await new Promise<string>((resolve) =>
        ssh.stdout?.once("data", (data) => resolve(String(data).trim())),
      );
      ssh.kill("SIGKILL");
      await ssh;
      await gone(pid);
      expect(readFileSync(said, "utf8")).toBe("end\n");
    } finally {
      await patient.close();
    }
  });

  test("one that is deaf to it is ended after the grace", async () => {
    const ssh = w.ssh(["trap '' HUP TERM; echo $$; while :; do sleep 0.05; done"], { buffer: false });
    const pid = await new Promise<string>((resolve) =>
      ssh.stdout?.once("data", (data) => resolve(String(data).trim())),
    );
    ssh.kill("SIGKILL");
    await ssh;
    await gone(pid);
  });
});

/** Settles when no process has this id; the test's own time limit ends a wait in vain. */
async function gone(pid: string): Promise<void> {
  for (;;) {
    try {
      process.kill(Number(pid), 0);
    } catch {
      return;
    }
    await Bun.sleep(20);
  }
}
