// Running programs in a sandbox: what goes in, what comes out, and how they end.
import { createHash } from "node:crypto";
import { constants, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WITH_STREAM, nap, run, seen, subject, type Subject } from "./subjects.ts";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";

const LINUX = process.platform === "linux";

/** What streams may cost the server; zero where there is no /proc to tell. */
function costs(): { threads: number; descriptors: number } {
  if (!LINUX) return { threads: 0, descriptors: 0 };
  return { threads: readdirSync("/proc/self/task").length, descriptors: readdirSync("/proc/self/fd").length };
}

describe.each(WITH_STREAM)("processes under the %s driver", (name) => {
  let on: Subject;
  let sandbox: Sandbox;
  beforeAll(async () => {
    on = await subject(name);
    sandbox = await on.sandbox();
  });
  afterAll(async () => await on.close());

  test("an argv arrives as it is, whatever is in it", async () => {
    const arg = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.constantFrom("", "-n", "--", "$(id)", "`id`", "a\nb", "'", '"', "\\", "*", "~", "%s", "!", "\r\n", "=x"),
    );
    const clean = arg.map((text) => text.replaceAll("\0", "")).filter((text) => text.isWellFormed());
    await fc.assert(
      fc.asyncProperty(fc.array(clean, { maxLength: 6 }), async (args) => {
        const { stdout, exit } = await run(sandbox, ["/usr/bin/printf", "<%s>\\n", "first", ...args]);
        expect(stdout).toBe(["first", ...args].map((text) => `<${text}>\n`).join(""));
        expect(exit).toEqual({ code: 0 });
      }),
      { numRuns: 60 },
    );
  });

  test("bytes that are no UTF-8 pass through a shell line, stdin and stdout unchanged", async () => {
    const { stdout } = await run(sandbox, "printf '\\377\\200\\000\\n' | od -An -tx1");
    expect(stdout.trim()).toBe("ff 80 00 0a");
  });

  test("a shell line is run by the workspace's shell, and an empty argv is refused", async () => {
    expect((await run(sandbox, "echo a && echo b | tr b c")).stdout).toBe("a\nc\n");
    await expect(sandbox.exec({ command: [] })).rejects.toMatchObject({ code: "bad_request" });
    await expect(sandbox.exec({ command: ["a\0b"] })).rejects.toMatchObject({ code: "bad_request" });
  });

  test("what a large file is received with writes it and gives its hash", async () => {
    // More than a pipe holds, and no multiple of what is written at once.
    const input = "0123456789\n".repeat(100_003);
    const line =
      'f=$(mktemp) && ${RUNCODE_RECEIVER:-/.runcode/receive} "$f" && echo $(($(wc -c <"$f"))) && cat "$f" && rm "$f"';
    const { stdout, exit } = await run(sandbox, line, { input });
    const hash = createHash("sha256").update(input).digest("hex");
    expect([stdout.slice(0, 100), exit]).toEqual([`${hash}\n${input.length}\n${input}`.slice(0, 100), { code: 0 }]);
    expect(stdout.endsWith(input)).toBe(true);
  });

  test("a program that is not there exits 127 and says so on stderr", async () => {
    const { stderr, exit } = await run(sandbox, ["/no/such/program"]);
    expect(exit).toEqual({ code: 127 });
    expect(stderr).toContain("/no/such/program");
  });

  test("the environment is the sandbox's own with the request's on top, and nothing of the server's", async () => {
    process.env["RUNCODE_TOKEN_OF_THE_SERVER"] = "secret";
    const { stdout } = await run(sandbox, ["env"], { env: { LC_GREETING: "a b\n'c'", LD_PRELOAD_X: "1" } });
    expect(stdout).toContain("LC_GREETING=a b\n'c'\n");
    expect(stdout).toContain(`HOME=${sandbox.home}\n`);
    expect(stdout).toContain(`USER=${sandbox.user}\n`);
    expect(stdout).toMatch(/^PATH=.*\/usr\/bin/m);
    expect(stdout).toMatch(/^SHELL=\//m);
    expect(stdout).not.toContain("secret");
    expect(stdout.split("\n").filter((line) => /^[A-Z_a-z0-9]+=/.test(line)).length).toBeLessThan(20);
    await expect(sandbox.exec({ command: ["env"], env: { "A=B": "c" } })).rejects.toMatchObject({
      code: "bad_request",
    });
  });

  test("a process starts in the home directory or where it is told to", async () => {
    expect((await run(sandbox, ["pwd"])).stdout.trim()).toBe(sandbox.home);
    expect((await run(sandbox, ["pwd"], { cwd: sandbox.workdir })).stdout.trim()).toBe(sandbox.workdir);
    expect((await run(sandbox, "mkdir -p -- '-a b' && cd ./'-a b' && pwd")).stdout.trim()).toBe(`${sandbox.home}/-a b`);
    expect((await run(sandbox, ["pwd"], { cwd: `${sandbox.home}/-a b` })).stdout.trim()).toBe(`${sandbox.home}/-a b`);
  });

  test("a directory that is not there is named in the error", async () => {
    await expect(sandbox.exec({ command: ["pwd"], cwd: "/no/such/place" })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("/no/such/place") as string,
    });
  });

  test("the end of stdin is the end of the file", async () => {
    const { stdout, exit } = await run(sandbox, ["cat"], { input: "one\ntwo" });
    expect(stdout).toBe("one\ntwo");
    expect(exit).toEqual({ code: 0 });
  });

  test("stdout and stderr stay apart", async () => {
    const { stdout, stderr } = await run(sandbox, "echo out; echo err >&2; echo out2");
    expect([stdout, stderr]).toEqual(["out\nout2\n", "err\n"]);
  });

  test("an exit code comes back as it was, a signal by its name", async () => {
    expect((await run(sandbox, "exit 3")).exit).toEqual({ code: 3 });
    expect((await run(sandbox, "exit 143")).exit).toEqual({ code: 143 });
    expect((await run(sandbox, "kill -TERM $$")).exit).toMatchObject({ signal: "TERM" });
    expect((await run(sandbox, "kill -KILL $$")).exit).toMatchObject({ signal: "KILL" });
  });

  test("a signal reaches the process and its children, who may answer it", async () => {
    const process = await sandbox.exec({
      command:
        "trap 'echo caught; exit 7' INT; sh -c 'trap \"echo child; exit\" INT; echo ready; sleep 100 & wait' & wait",
    });
    await seen(process.stdout, "ready");
    process.signal("NO-SUCH-SIGNAL");
    process.signal("INT");
    // A background child of a shell without job control ignores INT; the shell itself takes it.
    await seen(process.stdout, "caught");
    expect(await process.exited).toEqual({ code: 7 });
    process.kill();
  });

  test("kill ends the whole group and is harmless afterwards", async () => {
    const seconds = nap();
    const process = await sandbox.exec({ command: `trap '' TERM HUP INT; sleep ${seconds} & echo $!; wait` });
    await seen(process.stdout, "\n");
    process.kill();
    expect(await process.exited).toMatchObject({ signal: "KILL" });
    process.kill();
    const left = async (): Promise<string> => (await run(sandbox, `ps -e -o args | grep '[s]leep ${seconds}'`)).stdout;
    await expect.poll(left).toBe("");
  });

  test("a gigabyte that nobody reads stops the program and not the server", async () => {
    const process = await sandbox.exec({ command: ["head", "-c", "1073741824", "/dev/zero"] });
    process.stdout.on("readable", () => {});
    await new Promise((resolve) => process.stdout.once("readable", resolve));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(process.stdout.readableLength).toBeLessThan(1024 * 1024);
    process.stdout.removeAllListeners("readable");
    let bytes = 0;
    for await (const chunk of process.stdout) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(1073741824);
    expect(await process.exited).toEqual({ code: 0 });
  });

  test("much input and much output at once arrive whole", async () => {
    const process = await sandbox.exec({ command: ["cat"] });
    const sent = createHash("sha256");
    const got = createHash("sha256");
    const chunk = Buffer.alloc(65_536, "runcode.");
    const writing = (async () => {
      for (let i = 0; i < 512; i++) {
        chunk.writeUInt32LE(i);
        sent.update(chunk);
        if (!process.stdin.write(Buffer.from(chunk)))
          await new Promise((resolve) => process.stdin.once("drain", resolve));
      }
      process.stdin.end();
    })();
    for await (const part of process.stdout) got.update(part as Buffer);
    await writing;
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test("a program whose reader has left ends by SIGPIPE", async () => {
    const process = await sandbox.exec({ command: ["yes"] });
    await seen(process.stdout, "y\n");
    process.stdout.destroy();
    expect(await process.exited).toMatchObject({ signal: "PIPE" });
    process.kill();
  });

  test.runIf(LINUX)("the standard streams can be opened by name, as under sshd", async () => {
    const script =
      "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin; cat </dev/stdin; tee /dev/stderr </dev/null";
    expect(await run(sandbox, script, { input: "given" })).toEqual({
      stdout: "out\ngiven",
      stderr: "err\n",
      exit: { code: 0 },
    });
  });

  test.runIf(LINUX)("a process gets three pipes that block, and no other descriptor", async () => {
    // The fourth is what the program that lists them has open to do so.
    const list = await run(sandbox, ["ls", "-l", "/proc/self/fd"]);
    const found = [...list.stdout.matchAll(/(\d+) -> (\/proc\/|\w+)/g)].map(([, fd, what]) => `${fd} ${what}`);
    expect(found).toEqual(["0 pipe", "1 pipe", "2 pipe", "3 /proc/"]);
    const { stdout } = await run(sandbox, "cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2");
    const flags = [...stdout.matchAll(/flags:\s+(\d+)/g)].map(([, octal = ""]) => Number.parseInt(octal, 8));
    expect(flags).toHaveLength(3);
    for (const flag of flags) expect(flag & constants.O_NONBLOCK).toBe(0);
  });

  test("two hundred that wait are all heard and answered, and cost no thread and no descriptor that stays", async () => {
    const before = costs();
    const waiting = await Promise.all(
      Array.from({ length: 200 }, async () => await sandbox.exec({ command: ["cat"] })),
    );
    const during = costs();
    const answers = waiting.map(async ({ stdin, stdout, stderr }, i) => {
      stderr?.resume();
      stdin.end(`number ${i}`);
      return await text(stdout);
    });
    expect(await Promise.all(answers)).toEqual(waiting.map((_, i) => `number ${i}`));
    await Promise.all(waiting.map(async ({ exited }) => await exited));
    if (!LINUX) return;
    // One for each would be 200. Other tests run in this process too, so a few more come and go.
    expect(during.threads - before.threads).toBeLessThan(100);
    await expect.poll(() => costs().descriptors).toBeLessThan(before.descriptors + 100);
  });

  test("a reader that comes late finds all that a process wrote before it ended", async () => {
    const process = await sandbox.exec({ command: "head -c 50000 /dev/zero; echo late >&2" });
    expect(await process.exited).toEqual({ code: 0 });
    expect((await buffer(process.stdout)).length).toBe(50_000);
    expect(process.stderr && (await text(process.stderr))).toBe("late\n");
  });

  test("writing to a program that does not read waits, and fails once the program leaves", async () => {
    const process = await sandbox.exec({ command: ["sleep", "1000"] });
    const left = new Promise<void>((resolve) => process.stdin.once("close", resolve));
    const chunk = Buffer.alloc(1024 * 1024);
    let written = 0;
    for (let i = 0; i < 8; i++) process.stdin.write(chunk, (error) => void (error ? 0 : written++));
    process.signal("TERM");
    expect(await process.exited).toMatchObject({ signal: "TERM" });
    await left;
    expect(written).toBeLessThan(2);
  });

  test("a program that closes its stdin does not hurt who writes to it", async () => {
    const process = await sandbox.exec({ command: "exec <&-; echo closed; sleep 0.2; exit 4" });
    await seen(process.stdout, "closed");
    process.stdin.write(Buffer.alloc(1024 * 1024));
    expect(await process.exited).toEqual({ code: 4 });
  });

  test("the shell's exit is told although a background process keeps its output open", async () => {
    const process = await sandbox.exec({ command: "sleep 1000 & exit 5" });
    expect(await process.exited).toEqual({ code: 5 });
    process.kill();
  });

  test("two hundred at once all come back right", async () => {
    const codes = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => (await run(sandbox, [`/bin/sh`, "-c", `exit ${i % 100}`])).exit),
    );
    expect(codes).toEqual(Array.from({ length: 200 }, (_, i) => ({ code: i % 100 })));
  });

  test("files are made with the sandbox's own rights in its home", async () => {
    await mkdir(on.dataDir, { recursive: true });
    expect((await run(sandbox, "umask; echo hello > f && cat f && rm f")).stdout).toContain("hello");
  });
});
