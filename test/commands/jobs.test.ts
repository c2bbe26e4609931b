// `exec --detach` and `jobs`, as they are used: the built program, a real server, and a workspace in it.
import { readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BINARY,
  describeWith,
  killForGood,
  runProgram,
  type TestClient,
  testServer,
  type TestServer,
} from "../harness/index.ts";

interface JobDocument {
  job_id: string;
  workspace_id: number;
  state: "running" | "exited" | "lost";
  exit_code: number | null;
  ended_by: "kill" | "timeout" | null;
  command: string;
  cwd: string;
  started_at: string | null;
  ended_at: string | null;
  timeout_s: number | null;
  stdout_bytes: number;
  stderr_bytes: number;
  stdout_truncated: boolean;
  stderr_truncated: boolean;
}
interface LogsDocument extends JobDocument {
  stdout: string | null;
  stderr: string | null;
  stdout_offset: number | null;
  stderr_offset: number | null;
  next_offset: string;
  more: boolean;
}

describe.each([
  ["process", [] as const],
  ["namespace", ["bwrap"] as const],
])("jobs in a workspace of the %s driver", (driver, needs) => {
  describeWith("ssh", ...needs)("", () => {
    let server: TestServer;
    let client: TestClient;
    beforeAll(async () => {
      server = await testServer(["--driver", driver]);
      client = await server.client();
      await client.ok(["create", "demo", "--start", "--wait"]);
      await client.ok(["connect", "demo"]);
    });
    afterAll(() => server.close());

    const detach = async (...words: string[]): Promise<string> => {
      const { stdout } = await client.ok(["exec", "--detach", ...words]);
      expect(stdout).toMatch(/^[0-9a-f]{16}\n$/);
      return stdout.trim();
    };
    const wait = (id: string, ...words: string[]) => client.run(["jobs", "wait", id, ...words]);
    const logs = async (id: string, ...words: string[]): Promise<LogsDocument> =>
      (await client.ok(["jobs", "logs", id, "--json", ...words])).json<LogsDocument>();
    const list = async (): Promise<JobDocument[]> => (await client.ok(["jobs", "--json"])).json<JobDocument[]>();
    const sh = async (line: string): Promise<string> => (await client.ok(["exec", "--", line])).stdout;
    const start = (...words: string[]) =>
      Bun.spawn([BINARY, ...words], { env: client.home.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    /** What a program says, as it says it. */
    function heard(child: { stdout: ReadableStream<Uint8Array> }) {
      let text = "";
      const more = (async function* () {
        for await (const bytes of child.stdout) yield (text += new TextDecoder().decode(bytes));
      })();
      return {
        async until(part: string): Promise<void> {
          while (!text.includes(part)) if ((await more.next()).done) throw new Error(`never said ${part}: ${text}`);
        },
        async whole(): Promise<string> {
          while (!(await more.next()).done);
          return text;
        },
      };
    }
    /** Waits until a line on the workspace succeeds. */
    async function holds(line: string): Promise<void> {
      for (let tries = 0; tries < 100; tries++) {
        if ((await client.run(["exec", "--", line])).exitCode === 0) return;
      }
      throw new Error(`never true on the workspace: ${line}`);
    }
    const gone = (file: string): Promise<void> =>
      holds(`[ ! -e /proc/$(cat ${file}) ] || grep -q "^State:.Z" /proc/$(cat ${file})/status`);
    const masterPid = async (): Promise<number> => {
      const cache = path.join(client.home.dir, ".cache/runcode");
      const session = (await readdir(cache)).find((name) => /^ws-\d+$/.test(name)) as string;
      const child = Bun.spawn(["ssh", "-F", path.join(cache, session, "config"), "-O", "check", "runcode-demo"], {
        env: client.home.env,
        stdout: "ignore",
        stderr: "pipe",
      });
      return Number(/pid=(\d+)/.exec(await new Response(child.stderr).text())?.[1]);
    };

    test("a job outlives the client that began it, and tells its code and its streams apart", async () => {
      const id = await detach("--", "echo out; echo err >&2; until [ -e go ]; do sleep 0.1; done; exit 7");
      const [running] = await list();
      expect(running).toMatchObject({ job_id: id, state: "running", exit_code: null, ended_by: null, ended_at: null });
      await sh("touch go");
      const ended = await wait(id);
      expect([ended.exitCode, ended.stdout, ended.stderr]).toEqual([7, "", ""]);
      const printed = await client.ok(["jobs", "logs", id]);
      expect([printed.stdout, printed.stderr]).toEqual(["out\n", "err\n"]);
      const document = await logs(id.slice(0, 9));
      expect(document).toMatchObject({
        job_id: id,
        state: "exited",
        exit_code: 7,
        ended_by: null,
        timeout_s: null,
        stdout: "out\n",
        stderr: "err\n",
        stdout_offset: 0,
        next_offset: "4,4",
        more: false,
        stdout_bytes: 4,
        stdout_truncated: false,
      });
      expect(document.command).toMatch(/^echo out; /);
      expect(path.basename(document.cwd)).toBe("workspace");
      expect(Date.parse(document.ended_at ?? "")).toBeGreaterThanOrEqual(Date.parse(document.started_at ?? ""));
    });

    test("exec --detach --json says which job on which workspace", async () => {
      const said = (await client.ok(["exec", "--detach", "--json", "--", "true"])).json<JobDocument>();
      expect(Object.keys(said).sort()).toEqual(["job_id", "workspace_id"]);
      const ended = await wait(said.job_id, "--json");
      expect([ended.exitCode, ended.json<JobDocument>().workspace_id]).toEqual([0, said.workspace_id]);
    });

    test("a job runs as exec would run it: words unchanged, directory, variables, no input", async () => {
      const argv = await detach("--", "printf", "%s|", "a b", "it's", "-n", "$HOME", "*", "line\nend", "!!", "\\");
      expect((await wait(argv, "--logs")).stdout).toBe("a b|it's|-n|$HOME|*|line\nend|!!|\\|");
      const placed = await detach(
        "--cwd",
        "/",
        "--env",
        "A=1 '2'",
        "--env",
        "PATH=/nowhere:/usr/bin:/bin",
        "--",
        "pwd; echo $A; cat",
      );
      expect((await wait(placed, "--logs")).stdout).toBe("/\n1 '2'\n");
      expect((await wait(await detach("--", "no-such-program", "x"))).exitCode).toBe(127);
      expect((await wait(await detach("--", "sh", "-c", "kill -KILL $$"))).exitCode).toBe(137);
    });

    test("--stdin is what the job reads", async () => {
      const { stdout } = await client.ok(["exec", "--detach", "--stdin", "--", "wc -c"], {
        stdin: "x".repeat(300_000),
      });
      expect((await wait(stdout.trim(), "--logs")).stdout.trim()).toBe("300000");
      const much = await client.run(["exec", "--detach", "--stdin", "--json", "--", "touch", "much"], {
        stdin: new Uint8Array(10 * 1024 * 1024 + 1),
      });
      expect([much.exitCode, much.json()["error"]]).toEqual([255, "usage"]);
      await holds("[ ! -e much ]");
    });

    test("a directory that is missing begins nothing, and --tty does not go with it", async () => {
      const before = (await list()).length;
      const missing = await client.run(["exec", "--detach", "--json", "--cwd", "/no/such", "--", "true"]);
      expect([missing.exitCode, missing.json()["error"]]).toEqual([255, "not_found"]);
      const tty = await client.run(["exec", "--detach", "--tty", "--", "true"]);
      expect([tty.exitCode, tty.stdout]).toEqual([255, ""]);
      expect(await list()).toHaveLength(before);
    });

    test("polling by offset gives every byte once, and no character in half", async () => {
      const id = await detach(
        "--",
        "printf 'gr\\303'; touch half; until [ -e whole ]; do sleep 0.1; done; printf '\\274n'",
      );
      await holds("[ -e half ] && [ -s ~/.runcode/jobs/" + id + "/stdout.1000000000000000 ]");
      const first = await logs(id, "--stdout");
      expect(first).toMatchObject({ stdout: "gr", stderr: null, next_offset: "2,0", more: true });
      await sh("touch whole");
      await wait(id);
      expect(await logs(id, "--since-offset", first.next_offset)).toMatchObject({ stdout: "ün", more: false });
      expect(await logs(id, "--since-offset", "9999")).toMatchObject({
        stdout: "",
        stdout_offset: 5,
        next_offset: "5,0",
      });
    });

    test("--tail gives the last lines of each", async () => {
      const id = await detach("--", "for i in 1 2 3; do echo o$i; echo e$i >&2; done");
      await wait(id);
      const { stdout, stderr } = await client.ok(["jobs", "logs", id, "--tail", "2"]);
      expect([stdout, stderr]).toEqual(["o2\no3\n", "e2\ne3\n"]);
      expect((await client.ok(["jobs", "logs", id, "--tail", "0"])).stdout).toBe("");
      expect((await client.ok(["jobs", "logs", id, "--tail", "1", "--stderr"])).stdout).toBe("");
    });

    test("a follow that began before the end ends with the job, and survives its connection", async () => {
      const id = await detach("--", "echo first; until [ -e on ]; do sleep 0.1; done; echo second; exit 3");
      const text = start("jobs", "logs", id, "--follow");
      const lines = start("jobs", "logs", id, "--follow", "--json");
      const [said, told] = [heard(text), heard(lines)];
      await said.until("first");
      await told.until("first");
      process.kill(await masterPid(), "SIGKILL");
      await sh("touch on");
      expect(await said.whole()).toBe("first\nsecond\n");
      expect([await text.exited, await lines.exited]).toEqual([0, 0]);
      const documents = (await told.whole())
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as LogsDocument);
      expect(documents.map(({ stdout }) => stdout).join("")).toBe("first\nsecond\n");
      expect(documents.at(-1)).toMatchObject({ state: "exited", exit_code: 3, more: false });
      expect(documents.slice(0, -1).every(({ more }) => more)).toBe(true);
    });

    test("a wait of bounded length says timeout and leaves the job alone", async () => {
      const id = await detach("--", "sleep 60");
      const waited = await wait(id, "--timeout", "0.5", "--json");
      expect([waited.exitCode, waited.json()["error"]]).toEqual([255, "timeout"]);
      const followed = await wait(id, "--timeout", "0.5", "--logs");
      expect([followed.exitCode, followed.stdout]).toEqual([255, ""]);
      expect((await list()).find(({ job_id }) => job_id === id)).toMatchObject({ state: "running" });
      await client.ok(["jobs", "kill", id]);
    });

    test("kill ends the whole tree, the deaf as well, and may be said twice", async () => {
      const id = await detach(
        "--",
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >deaf; while :; do sleep 0.1; done' & until [ -s deaf ]; do sleep 0.1; done; wait",
      );
      await holds("[ -s deaf ]");
      const killed = (await client.ok(["jobs", "kill", id, "--grace", "1s", "--json"])).json<JobDocument[]>();
      expect(killed).toMatchObject([{ job_id: id, state: "exited", exit_code: 137, ended_by: "kill" }]);
      await gone("deaf");
      expect((await client.ok(["jobs", "kill", id, "--json"])).json()).toMatchObject([{ exit_code: 137 }]);
      expect((await wait(id)).exitCode).toBe(137);
    });

    test("kill --signal INT reaches a command as Ctrl-C would", async () => {
      const id = await detach("--", "trap 'echo heard; exit 5' INT; touch ready; while :; do sleep 0.1; done");
      await holds("[ -e ready ]");
      await client.ok(["jobs", "kill", id, "--signal", "INT"]);
      const ended = await wait(id, "--logs");
      expect([ended.exitCode, ended.stdout]).toEqual([5, "heard\n"]);
    });

    test("kill ends what a job left behind when it ended itself", async () => {
      const id = await detach("--", "sleep 600 & echo $! >left; exit 0");
      expect((await wait(id)).exitCode).toBe(0);
      await holds("kill -0 $(cat left)");
      await client.ok(["jobs", "kill", id]);
      await gone("left");
      expect((await logs(id)).ended_by).toBeNull();
    });

    test("--timeout ends the job itself", async () => {
      const id = await detach("--timeout", "1s", "--", "sleep 600");
      expect((await wait(id, "--json")).json()).toMatchObject({ exit_code: 143, ended_by: "timeout", timeout_s: 1 });
    });

    test("50 MiB of output stay within bounds, the beginning and the end of it", async () => {
      const id = await detach("--", "echo begin; head -c 52428800 /dev/zero; echo; echo end");
      expect((await wait(id)).exitCode).toBe(0);
      const document = (await list()).find(({ job_id }) => job_id === id);
      expect(document).toMatchObject({ stdout_bytes: 52428811, stdout_truncated: true, stderr_truncated: false });
      const kept = Number((await sh(`du -sk ~/.runcode/jobs/${id}`)).split("\t")[0]);
      expect(kept).toBeLessThan(13 * 1024);
      expect(kept).toBeGreaterThan(8 * 1024);
      expect((await client.ok(["jobs", "logs", id, "--tail", "1"])).stdout).toBe("end\n");
      expect((await logs(id)).stdout?.startsWith("begin\n")).toBe(true);
      const middle = await logs(id, "--since-offset", "20000000");
      expect(middle.stdout_offset).toBeGreaterThan(20_000_000);
      expect(middle.next_offset).toBe(`${(middle.stdout_offset as number) + 1024 * 1024},0`);
      const all = await client.ok(["jobs", "logs", id]);
      expect(all.stdout.length).toBeLessThan(13 * 1024 * 1024);
      expect(all.stdout.endsWith("\0\nend\n")).toBe(true);
      expect(all.stderr).toContain("were let go");
    });

    test("a client that is killed while it starts a job leaves one job or none, whole", async () => {
      const before = new Set((await list()).map(({ job_id }) => job_id));
      const children = Array.from({ length: 8 }, (_, i) =>
        start("exec", "--detach", "--", `echo ${i}; sleep 0.2; echo done`),
      );
      for (const [i, child] of children.entries()) setTimeout(() => child.kill("SIGKILL"), 20 + i * 25);
      await Promise.all(children.map(({ exited }) => exited));
      const begun = (await list()).filter(({ job_id }) => !before.has(job_id));
      for (const { job_id } of begun) expect((await wait(job_id, "--logs")).stdout).toMatch(/^\d\ndone\n$/);
      await holds("! ls -d ~/.runcode/jobs/.new-* 2>/dev/null");
      expect(new Set(begun.map(({ command }) => command)).size).toBe(begun.length);
    });

    test("an id that is not there, not one, or not only one", async () => {
      const unknown = await client.run(["jobs", "logs", "ffffffffffffffff", "--json"]);
      expect([unknown.exitCode, unknown.json()["error"]]).toEqual([3, "not_found"]);
      const waited = await wait("ffffffffffffffff", "--json");
      expect([waited.exitCode, waited.json()["error"]]).toEqual([255, "not_found"]);
      const wrong = await client.run(["jobs", "kill", "../../x", "--json"]);
      expect([wrong.exitCode, wrong.json()["error"]]).toEqual([2, "usage"]);
      const digits = new Map<string, number>();
      while (![...digits.values()].some((count) => count > 1)) {
        const id = await detach("--", "true");
        digits.set(id.slice(0, 1), (digits.get(id.slice(0, 1)) ?? 0) + 1);
      }
      const [digit] = [...digits].find(([, count]) => count > 1) ?? [];
      const ambiguous = await client.run(["jobs", "logs", digit as string, "--json"]);
      expect([ambiguous.exitCode, ambiguous.json()["error"]]).toEqual([5, "ambiguous"]);
    });

    test("a directory that the workspace forged says nothing that a terminal obeys, and hides no other", async () => {
      const real = await detach("--", "echo real");
      await wait(real);
      await sh(`cd ~/.runcode/jobs
        mkdir aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb cccccccccccccccc eeeeeeeeeeeeeeee
        printf '1 1 x 99 0\\n/\\033[31m\\n\\033]0;title\\007rm -rf\\t\\tx\\n' >aaaaaaaaaaaaaaaa/about
        printf '999 nonsense \\033[2J\\n' >aaaaaaaaaaaaaaaa/end
        printf '0 5\\n' >aaaaaaaaaaaaaaaa/last; echo '\\033[31mforged' >aaaaaaaaaaaaaaaa/by
        mkfifo bbbbbbbbbbbbbbbb/about; mkfifo bbbbbbbbbbbbbbbb/end
        ln -s /etc/passwd cccccccccccccccc/about
        ln -s /etc dddddddddddddddd
        printf '1 1 x 99 0\\n/\\nforged \\033[31m\\n' >eeeeeeeeeeeeeeee/about
        ln -s /etc/passwd eeeeeeeeeeeeeeee/stdout.1000000000000000
        printf '0 5\\n' >eeeeeeeeeeeeeeee/end
        echo x >"eeeeeeeeeeeeeeee/stdout.1a[\\$(touch injected)]"`);
      const plain = await client.ok(["jobs"]);
      expect(plain.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
      expect(plain.stdout).toContain(real);
      const ids = (await list()).map(({ job_id }) => job_id);
      expect(ids).toContain(real);
      expect(ids).toContain("eeeeeeeeeeeeeeee");
      for (const hostile of ["a", "b", "c", "d"]) expect(ids).not.toContain(hostile.repeat(16));
      expect(await logs("eeeeeeeeeeeeeeee")).toMatchObject({ stdout: "", command: "forged [31m" });
      await holds("[ ! -e ~/injected ]");
      await sh(
        "cd ~/.runcode/jobs; rm -rf aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb cccccccccccccccc dddddddddddddddd eeeeeeeeeeeeeeee",
      );
    });

    test("rm forgets what has ended and refuses what runs", async () => {
      const [done, running] = [await detach("--", "true"), await detach("--", "sleep 60")];
      await wait(done);
      const refused = await client.run(["jobs", "rm", done, running, "--json"]);
      expect([refused.exitCode, refused.json()["error"]]).toEqual([5, "conflict"]);
      expect((await client.ok(["jobs", "rm", done, done.slice(0, 12), "--json"])).json()).toEqual({ removed: [done] });
      await client.ok(["jobs", "rm", "--finished"]);
      expect((await list()).map(({ job_id }) => job_id)).toEqual([running]);
      await client.ok(["jobs", "kill", running]);
      expect((await client.run(["jobs", "rm"])).exitCode).toBe(2);
    });

    test("a supervisor that was killed with its command leaves a job that is lost", async () => {
      const id = await detach("--", "echo there; sleep 600");
      await holds(`[ -s ~/.runcode/jobs/${id}/stdout.1000000000000000 ]`);
      await sh(`read -r supervisor rest <~/.runcode/jobs/${id}/about; kill -KILL $supervisor`);
      expect((await list()).find(({ job_id }) => job_id === id)).toMatchObject({ state: "running" });
      await sh(`read -r command rest <~/.runcode/jobs/${id}/process; kill -KILL $command`);
      const waited = await wait(id, "--json");
      expect([waited.exitCode, waited.json()["error"]]).toEqual([255, "conflict"]);
      expect(await logs(id)).toMatchObject({ state: "lost", exit_code: null, stdout: "there\n", more: false });
    });

    test("stopping the workspace ends its jobs, which are not taken for running afterwards", async () => {
      const id = await detach("--", "trap '' TERM; echo there; sleep 600");
      await holds(`[ -s ~/.runcode/jobs/${id}/stdout.1000000000000000 ]`);
      await client.ok(["stop", "demo", "--keep"]);
      const stopped = await client.run(["jobs", "--json"]);
      expect([stopped.exitCode, stopped.json()["error"]]).toEqual([5, "conflict"]);
      await client.ok(["connect", "demo", "--start", "--wait"]);
      const document = await logs(id);
      expect(document.state).not.toBe("running");
      expect(document.stdout).toBe("there\n");
    });

    test("a server that was killed and started again has them too", async () => {
      const id = await detach("--", "echo there; sleep 600");
      await holds(`[ -s ~/.runcode/jobs/${id}/stdout.1000000000000000 ]`);
      const follow = start("jobs", "logs", id, "--follow", "--json");
      const told = heard(follow);
      await told.until("there");
      const { data_dir, api_base, ssh, pid } = server.facts;
      await killForGood(pid);
      const words = ["--detach", "--json", "--data-dir", data_dir, "--driver", driver];
      const again = await runProgram(
        ["serve", ...words, "--http", new URL(api_base).host, "--ssh", `${ssh.host}:${ssh.port}`],
        { env: client.home.env },
      );
      expect(again.exitCode, again.stdout + again.stderr).toBe(0);
      // Its workspaces were ended with it, and so was the job; what it wrote is there, and whoever follows it is told.
      const last = (await told.whole()).trim().split("\n").at(-1) as string;
      expect(await follow.exited).toBe(0);
      expect((JSON.parse(last) as LogsDocument).state).not.toBe("running");
      expect((await logs(id)).stdout).toBe("there\n");
    });
  });
});
