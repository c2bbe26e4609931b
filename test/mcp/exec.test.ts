// Commands by the tools: what comes back, what is bounded, what is ended, and what a client hears meanwhile.
import { existsSync } from "node:fs";
import path from "node:path";
import type { Progress } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Bench } from "../commands/workspace.ts";
import { agent, desk, type Agent, type Desk } from "./fixture.ts";

interface Ran {
  readonly workspace: string;
  readonly status: string;
  readonly job_id?: string;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdout_bytes: number;
  readonly truncated: boolean;
}

let home: Bench;
let seat: Agent;
let close: Desk["close"];
beforeAll(async () => {
  ({ home, seat, close } = await desk());
  await home.workspace("other");
});
afterAll(() => close());

const exec = (args: Record<string, unknown>): Promise<Ran> => seat.ok<Ran>("exec", args);

/** The workspace has no isolation, so its processes are this machine's. */
const lives = (pid: number): boolean => existsSync(`/proc/${pid}`);
async function gone(pid: number): Promise<void> {
  while (lives(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Starts a call that says its own pid and then sleeps; resolves once the client has heard of it. */
function sleeper(on: Agent, line = "echo $$; exec sleep 1000", more: Record<string, unknown> = {}) {
  const cancel = new AbortController();
  const heard = Promise.withResolvers<number>();
  const call = on.client.callTool(
    { name: "exec", arguments: { command: ["sh", "-c", line], ...more } },
    {
      signal: cancel.signal,
      onprogress: ({ message }: Progress) => {
        if (/^\d+$/.test(message ?? "")) heard.resolve(Number(message));
      },
    },
  );
  call.catch(heard.reject);
  return { call, cancel: () => cancel.abort(), pid: heard.promise };
}

describe("a command's result", () => {
  test("both streams, the exit code and the workspace come back", async () => {
    expect(await exec({ command: "echo out; echo err >&2; exit 7" })).toMatchObject({
      workspace: "desk",
      status: "exited",
      exit_code: 7,
      stdout: "out\n",
      stderr: "err\n",
      truncated: false,
    });
  });

  test("a command that a signal ended says which", async () => {
    expect(await exec({ command: ["sh", "-c", "kill -TERM $$"] })).toMatchObject({ signal: "TERM", exit_code: 143 });
  });

  test("a list of words arrives as it is, one word included", async () => {
    const words = ["a b", "$HOME", "'", '"', "\\", "-n", "", "ü\n"];
    expect((await exec({ command: ["printf", "[%s]", ...words] })).stdout).toBe(
      words.map((word) => `[${word}]`).join(""),
    );
    expect((await exec({ command: ["pwd"] })).stdout.trim()).toMatch(/workspace$/);
    expect(await exec({ command: ["no such program; echo no"] })).toMatchObject({ exit_code: 127, stdout: "" });
  });

  test("directory, variables and standard input are the call's own", async () => {
    const ran = await exec({
      command: 'pwd; echo "$A|$B"; cat',
      cwd: "/",
      env: { A: "1 2", B: "$(id)" },
      stdin: "in\n",
    });
    expect(ran.stdout).toBe("/\n1 2|$(id)\nin\n");
  });

  test("standard input is at its end where none is given", async () => {
    expect((await exec({ command: "cat; echo end" })).stdout).toBe("end\n");
  });

  test("of long output the beginning and the end come back, and how much there was", async () => {
    const ran = await exec({ command: "seq 1 300000", max_output_bytes: 3000 });
    expect(ran.truncated).toBe(true);
    expect(ran.stdout.length).toBeLessThan(3100);
    expect(ran.stdout).toMatch(/^1\n2\n3\n[^]*\n\[\d+ bytes left out\]\n[^]*\n299999\n300000\n$/);
    const whole = Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join("").length;
    expect(ran.stdout_bytes).toBe(whole);
    const [, missing] = /\[(\d+) bytes left out\]/.exec(ran.stdout) ?? [];
    const shown = ran.stdout.replace(/\n\[\d+ bytes left out\]\n/, "");
    expect(Number(missing) + shown.length).toBe(whole);
  });

  test("characters that a bound cuts in two are left out, and bytes that are no text are marked", async () => {
    const ran = await exec({
      command: "i=0; while [ $i -lt 500 ]; do printf 'ü€'; i=$((i+1)); done",
      max_output_bytes: 256,
    });
    expect(ran.stdout).not.toContain("\ufffd");
    expect((await exec({ command: "printf 'a\\377b'" })).stdout).toBe("a\ufffdb");
  });

  test("the text for a reader has no control characters, the structured content has the bytes", async () => {
    const args = { command: "printf 'a\\033[31mred\\033[0m\\r\\nb\\n'" };
    expect(await seat.text("exec", args)).toMatch(/^a\[31mred\[0m\nb\n\[exit code 0/);
    expect((await exec(args)).stdout).toBe("a\u001b[31mred\u001b[0m\r\nb\n");
  });
});

describe("a failure outside the command", () => {
  test("a directory that is not there runs nothing", async () => {
    const failure = await seat.fails("exec", { command: "echo ran", cwd: "nowhere" });
    expect(failure).toMatchObject({ error: "not_found", message: expect.stringContaining("nowhere") });
    expect(failure.beside).toBe("");
  });

  test("what was printed before the time limit stands beside the error, and the command is gone", async () => {
    const failure = await seat.fails("exec", { command: "echo $$; exec sleep 1000", timeout_ms: 1500 });
    expect(failure).toMatchObject({ error: "timeout", phase: "remote" });
    await gone(Number(failure.beside.trim()));
  });

  test.each([
    ["a name that no shell can export", { command: "true", env: { "A B": "1" } }],
    ["a name that holds the sign after it", { command: "true", env: { "A=B": "1" } }],
    ["a NUL", { command: "echo \0" }],
    ["an empty command", { command: "" }],
    ["an empty list", { command: [] }],
    ["a bound beyond the bounds", { command: "true", max_output_bytes: 1e9 }],
    ["an unknown argument", { command: "true", shell: "zsh" }],
  ])("%s is a usage error", async (_, args) => {
    expect(await seat.fails("exec", args)).toMatchObject({ error: "usage" });
  });

  test("a workspace that is not there", async () => {
    expect(await seat.fails("exec", { command: "true", workspace: "nobody" })).toMatchObject({ error: "not_found" });
  });
});

describe("what ends a command", () => {
  test("cancelling the call kills the remote process", async () => {
    const { call, cancel, pid } = sleeper(seat);
    const number = await pid;
    expect(lives(number)).toBe(true);
    cancel();
    await expect(call).rejects.toThrow();
    await gone(number);
    expect((await exec({ command: "echo well" })).stdout).toBe("well\n");
  });

  test("a call that is cancelled ends no other", async () => {
    const [one, other] = [sleeper(seat), sleeper(seat)];
    const [first, second] = await Promise.all([one.pid, other.pid]);
    one.cancel();
    await gone(first);
    expect(lives(second)).toBe(true);
    other.cancel();
    await gone(second);
    await Promise.allSettled([one.call, other.call]);
  });

  test("the end of the client ends every command, deaf ones too", async () => {
    const own = await agent(home);
    await own.ok("connect", { workspace: "desk" });
    const polite = sleeper(own);
    const deaf = sleeper(own, "trap '' TERM INT HUP; echo $$; while :; do sleep 1; done");
    const pids = await Promise.all([polite.pid, deaf.pid]);
    await own.close();
    await Promise.allSettled([polite.call, deaf.call]);
    await Promise.all([...pids, own.pid].map(gone));
  });
});

describe("while a command runs", () => {
  test("its output is told as progress with a number that grows", async () => {
    const heard: Progress[] = [];
    const next = new Map<string, string>([
      ["step 1", "go-1"],
      ["step 2", "go-2"],
    ]);
    const wait = "until [ -e $1 ]; do sleep 0.1; done";
    await seat.client.callTool(
      { name: "exec", arguments: { command: `w() { ${wait}; }; echo step 1; w go-1; echo step 2; w go-2` } },
      {
        onprogress(progress) {
          heard.push(progress);
          const file = next.get(progress.message ?? "");
          if (file !== undefined) void exec({ command: ["touch", file] });
        },
      },
    );
    expect(heard.map(({ message }) => message)).toEqual(expect.arrayContaining(["step 1", "step 2"]));
    for (const [i, { progress }] of heard.entries())
      expect(progress).toBeGreaterThan(heard[i - 1]?.progress ?? -Infinity);
  });

  test("other calls are answered", async () => {
    const { call, cancel, pid } = sleeper(seat);
    await pid;
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => exec({ command: `echo ${i}` })));
    expect(all.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 12 }, (_, i) => `${i}\n`));
    cancel();
    await Promise.allSettled([call]);
  });
});

test("first calls at once share what they need, and each is answered", async () => {
  await home.workspace("fresh");
  const own = await agent(home);
  try {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => own.ok<Ran>("exec", { command: `echo ${i}`, workspace: "fresh" })),
    );
    expect(all.map(({ workspace, stdout }) => `${workspace} ${stdout}`)).toEqual(all.map((_, i) => `fresh ${i}\n`));
  } finally {
    await own.close();
  }
});

test("two workspaces are told apart, whatever is connected", async () => {
  const where = async (args: object): Promise<string> => {
    const { workspace, stdout } = await exec({ command: "pwd", ...args });
    return `${workspace} ${path.basename(path.dirname(path.dirname(stdout.trim())))}`;
  };
  const own = await where({});
  const [desk, other] = await Promise.all([where({ workspace: "desk" }), where({ workspace: "other" })]);
  expect(desk).toBe(own);
  expect(other).toMatch(/^other /);
  expect(other.split(" ")[1]).not.toBe(desk.split(" ")[1]);
  // Whoever attaches another one meanwhile does not move this server.
  await home.ok(["connect", "other"]);
  expect(await where({})).toBe(own);
});

interface Job {
  readonly job_id: string;
  readonly state: string;
  readonly exit_code: number | null;
  readonly ended_by: string | null;
  readonly outlives_server?: boolean;
}
interface Logs extends Job {
  readonly stdout: string;
  readonly stderr: string;
  readonly next_offset: string;
  readonly more: boolean;
}

describe.each([
  ["a command that is not held to its end", { yield_after_ms: 0 }, false],
  ["a job in the background", { background: true }, true],
])("%s", (_, how, outlives) => {
  const begin = async (command: string, more: object = {}): Promise<string> => {
    const ran = await exec({ command, ...how, ...more });
    expect(ran).toMatchObject({
      workspace: "desk",
      status: "running",
      job_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    return ran.job_id as string;
  };
  const status = async (id: string, wait_ms = 0): Promise<Job | undefined> =>
    (await seat.ok<{ jobs: Job[] }>("job_status", { job_id: id, wait_ms })).jobs[0];

  test("is waited for, and its exit code and output are there", async () => {
    const id = await begin("until [ -e end-it ]; do sleep 0.1; done; echo out; echo err >&2; exit 5");
    expect(await status(id)).toMatchObject({ state: "running", exit_code: null, outlives_server: outlives });
    const waiting = status(id, 60_000);
    await exec({ command: ["touch", "end-it"] });
    expect(await waiting).toMatchObject({ job_id: id, state: "exited", exit_code: 5, ended_by: null });
    expect(await seat.ok<Logs>("job_logs", { job_id: id })).toMatchObject({
      workspace: "desk",
      stdout: "out\n",
      stderr: "err\n",
      more: false,
      exit_code: 5,
    });
    await exec({ command: ["rm", "end-it"] });
  });

  test("is followed piece by piece, each byte once", async () => {
    const id = await begin("for i in 1 2 3 4 5; do echo ü$i; echo e$i >&2; sleep 0.2; done");
    const all = { stdout: "", stderr: "" };
    for (let since_offset = "0,0", more = true; more;) {
      const logs: Logs = await seat.ok<Logs>("job_logs", { job_id: id, since_offset, wait_ms: 30_000, max_bytes: 256 });
      all.stdout += logs.stdout;
      all.stderr += logs.stderr;
      ({ next_offset: since_offset, more } = logs);
    }
    expect(all).toEqual({ stdout: "ü1\nü2\nü3\nü4\nü5\n", stderr: "e1\ne2\ne3\ne4\ne5\n" });
  });

  test("is ended with all its processes", async () => {
    const id = await begin("echo $$; sleep 1000 & echo $!; wait");
    let pids: number[] = [];
    for (let since_offset = "0,0"; pids.length < 2;) {
      const logs: Logs = await seat.ok<Logs>("job_logs", { job_id: id, since_offset, wait_ms: 30_000 });
      pids = [...pids, ...logs.stdout.split("\n").filter(Boolean).map(Number)];
      since_offset = logs.next_offset;
    }
    expect(await seat.ok<Job>("job_kill", { job_id: id })).toMatchObject({ state: "exited", ended_by: "kill" });
    await Promise.all(pids.map(gone));
    expect(await seat.ok<Job>("job_kill", { job_id: id })).toMatchObject({ state: "exited" });
  });

  test("ends at its own time limit", async () => {
    const id = await begin("sleep 1000", { timeout_ms: 1000 });
    expect(await status(id, 60_000)).toMatchObject({ state: "exited", ended_by: "timeout" });
  });

  test("a wait that is over, and one that is cancelled, end nothing", async () => {
    const id = await begin("sleep 1000");
    expect(await status(id, 100)).toMatchObject({ state: "running" });
    const cancel = new AbortController();
    const waiting = seat.client.callTool(
      { name: "job_status", arguments: { job_id: id, wait_ms: 600_000 } },
      { signal: cancel.signal },
    );
    cancel.abort();
    await expect(waiting).rejects.toThrow();
    expect(await status(id)).toMatchObject({ state: "running" });
    await seat.ok("job_kill", { job_id: id, signal: "KILL" });
  });

  test("stands among all jobs of its workspace, and of no other", async () => {
    const id = await begin("true");
    const ids = async (args: object): Promise<string[]> =>
      (await seat.ok<{ jobs: Job[] }>("job_status", args as Record<string, unknown>)).jobs.map(({ job_id }) => job_id);
    expect(await ids({})).toContain(id);
    expect(await ids({ workspace: "other" })).not.toContain(id);
    expect(await seat.text("job_status", {})).toContain(`${id}: `);
  });
});

describe("jobs and the end of the server", () => {
  test("a job in the background goes on and is found by the next one; a held command ends", async () => {
    const first = await agent(home);
    await first.ok("connect", { workspace: "desk" });
    const start = async (how: object): Promise<string> =>
      (await first.ok<Ran>("exec", { command: "echo $$; exec sleep 1000", ...how })).job_id as string;
    const [held, job] = [await start({ yield_after_ms: 0 }), await start({ background: true })];
    const pidOf = async (id: string): Promise<number> => {
      for (;;) {
        const { stdout } = await first.ok<Logs>("job_logs", { job_id: id, wait_ms: 30_000 });
        if (stdout.includes("\n")) return Number(stdout);
      }
    };
    const [ends, stays] = [await pidOf(held), await pidOf(job)];
    await first.close();
    await Promise.all([ends, first.pid].map(gone));
    expect(lives(stays)).toBe(true);
    expect(await seat.fails("job_status", { job_id: held })).toMatchObject({ error: "not_found" });
    expect(await seat.ok("job_logs", { job_id: job })).toMatchObject({ state: "running", stdout: `${stays}\n` });
    await seat.ok("job_kill", { job_id: job });
    await gone(stays);
  });

  test.each(["job_status", "job_logs", "job_kill"])("%s of an id that is none", async (tool) => {
    expect(await seat.fails(tool, { job_id: "0123456789abcdef" })).toMatchObject({ error: "not_found" });
    expect(await seat.fails(tool, { job_id: "../../etc" })).toMatchObject({ error: "usage" });
  });
});
