// `exec` and its kin, as they are used: the built program, a real server, and a workspace in it.
import * as fc from "fast-check";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BINARY,
  checkDocuments,
  describeWith,
  freePort,
  killForGood,
  ROOT,
  type TestClient,
  testServer,
  type TestServer,
} from "../harness/index.ts";

interface ExecDocument {
  exit_code: number;
  signal?: string;
  stdout: string;
  stderr: string;
  stdout_truncated: boolean;
  stderr_truncated: boolean;
  duration_ms: number;
  workspace_id: number;
}

describeWith("ssh")("exec", () => {
  let server: TestServer;
  let client: TestClient;
  beforeAll(async () => {
    server = await testServer();
    client = await server.client();
    await client.ok(["create", "demo", "--start", "--wait"]);
    await client.ok(["connect", "demo"]);
  });
  afterAll(() => server.close());

  const exec = (...words: string[]) => client.run(["exec", "--", ...words]);
  const start = (words: readonly string[], stdin: "ignore" | "pipe" = "ignore") =>
    Bun.spawn([BINARY, ...words], { env: client.home.env, stdin, stdout: "pipe", stderr: "pipe" });
  /** Reads a stream until a text stands in it. */
  async function until(stream: ReadableStream<Uint8Array>, text: string): Promise<void> {
    let seen = "";
    for await (const bytes of stream.values({ preventCancel: true })) {
      seen += new TextDecoder().decode(bytes);
      if (seen.includes(text)) return;
    }
    throw new Error(`the stream ended without ${text}: ${seen}`);
  }
  const sessionDir = async (): Promise<string> => {
    const cache = path.join(client.home.dir, ".cache/runcode");
    const found = (await readdir(cache)).find((name) => /^ws-\d+$/.test(name));
    return path.join(cache, found as string);
  };
  const ssh = async (...words: string[]): Promise<string> => {
    const config = path.join(await sessionDir(), "config");
    const child = Bun.spawn(["ssh", "-F", config, ...words], { env: client.home.env, stdout: "pipe", stderr: "pipe" });
    const text = (await new Response(child.stderr).text()) + (await new Response(child.stdout).text());
    await child.exited;
    return text;
  };
  const masterPid = async (): Promise<number> =>
    Number(/pid=(\d+)/.exec(await ssh("-O", "check", "runcode-demo"))?.[1] ?? Number.NaN);
  /** A line that appends to a file as long as it lives, for asking later whether it still does. */
  const heartbeat = (file: string): string => `echo begun; while :; do echo x >> ${file}; sleep 0.05; done`;
  const lives = async (file: string): Promise<boolean> => {
    const line = `a=$(wc -l < ${file}); sleep 0.5; b=$(wc -l < ${file}); [ "$a" != "$b" ]`;
    return (await exec(line)).exitCode === 0;
  };

  test("gives the command's own code and keeps its streams apart", async () => {
    const ran = await exec("echo out; echo err >&2; exit 7");
    expect([ran.exitCode, ran.stdout, ran.stderr]).toEqual([7, "out\n", "err\n"]);
    expect((await exec("exit 255")).exitCode).toBe(255);
    expect((await exec("sh", "-c", "kill -TERM $$")).exitCode).toBe(143);
  });

  test("carries an argv unchanged", async () => {
    const word = fc.oneof(
      fc.string({ unit: fc.constantFrom(...Array.from(" '\"\\!$`*?~-\n\t;&|<>(){}[]#%=aé☃🙂")), maxLength: 10 }),
      fc.constantFrom("", "-n", "--", "--json", "$HOME", "$(id)", "*"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 8 }), async (args) => {
        const { stdout } = await exec("printf", "%s\\0", ...args);
        expect(stdout.split("\0").slice(0, -1)).toEqual(args);
      }),
      { numRuns: 12, examples: [[["a b", "it's", "line\nend\n", "!!", "\\", "-rf", "", "☃"]]] },
    );
  });

  test("runs in the project directory, the home directory, or the one that is named", async () => {
    const workdir = (await exec("pwd")).stdout.trim();
    expect(path.basename(workdir)).toBe("workspace");
    const where = async (...words: string[]) => (await client.ok(["exec", ...words, "--", "pwd"])).stdout.trim();
    expect(await where("--home")).not.toBe(workdir);
    expect(await where("--cwd", "/")).toBe("/");
    expect(await where("--cwd", "..")).toBe(path.dirname(workdir));
    expect(await where("--cwd", "~/.")).toBe(await where("--home"));
  });

  test("names a directory that is missing, without what it would do to a terminal", async () => {
    const ran = await client.run(["exec", "--json", "--cwd", "/no\u001b[31m/dir", "--", "touch", "ran"]);
    expect(ran.exitCode).toBe(255);
    expect(ran.json()).toMatchObject({ error: "not_found" });
    const plain = await client.run(["exec", "--cwd", "/no\u001b[31m/dir", "--", "touch", "ran"]);
    expect(plain.stderr).toContain("no directory /no[31m/dir");
    expect(plain.stderr).not.toContain("\u001b[31m/dir");
    expect((await exec("test", "-e", "ran")).exitCode).toBe(1);
  });

  test("takes a file on stdin from where a shell has left it", async () => {
    const file = path.join(client.home.dir, "three-lines");
    await writeFile(file, "one\ntwo\nthree\n");
    const script = '{ read -r first; "$1" exec -- cat; } < "$2"';
    const child = Bun.spawn(["bash", "-c", script, "bash", BINARY, file], {
      env: client.home.env,
      stdout: "pipe",
      stderr: "ignore",
    });
    expect(await new Response(child.stdout).text()).toBe("two\nthree\n");
  });

  test.each([
    ["a pipe whose reader waits first", "| { sleep 1; wc -c; }"],
    ["a file that has a beginning already", '> "$2"; wc -c < "$2"'],
  ])("writes all of a long output to %s, on both streams", async (_, where) => {
    const file = path.join(client.home.dir, `long-${randomBytes(4).toString("hex")}`);
    const line = "head -c 6000000 /dev/zero; head -c 3000000 /dev/zero >&2";
    const script = `{ echo begun; "$1" exec -- '${line}' 2>&1; echo ended; } ${where}`;
    const child = Bun.spawn(["bash", "-c", script, "bash", BINARY, file], {
      env: client.home.env,
      stdout: "pipe",
      stderr: "inherit",
    });
    expect((await new Response(child.stdout).text()).trim()).toBe(String(9_000_012));
  });

  test("sets variables as they are", async () => {
    const ran = await client.ok(["exec", "--env", "A_1=it's $HOME\n!", "-e", "B=", "--", 'printf "%s|%s" "$A_1" "$B"']);
    expect(ran.stdout).toBe("it's $HOME\n!|");
    const bad = await client.run(["exec", "--json", "--env", "A-B=1", "--", "true"]);
    expect([bad.exitCode, bad.json()["error"]]).toEqual([255, "usage"]);
  });

  test("gives one document under --json, whatever bytes came", async () => {
    const ran = await client.run(["exec", "--json", "--", "printf 'a\\377b\\000'; printf e >&2; kill -9 $$"]);
    expect(ran.exitCode).toBe(137);
    const { duration_ms, workspace_id, ...rest } = ran.json<ExecDocument>();
    expect(rest).toEqual({
      exit_code: 137,
      signal: "KILL",
      stdout: "a\ufffdb\u0000",
      stderr: "e",
      stdout_truncated: false,
      stderr_truncated: false,
    });
    expect([Number.isInteger(duration_ms), workspace_id > 0]).toEqual([true, true]);
  });

  test("keeps the first 10 MiB of each stream under --json and says what is not whole", async () => {
    const ran = await client.run([
      "exec",
      "--json",
      "--",
      "head -c 11000000 /dev/zero | tr '\\0' a; echo e >&2; exit 3",
    ]);
    const document = ran.json<ExecDocument>();
    expect(ran.exitCode).toBe(3);
    expect([document.stdout.length, document.stdout_truncated, document.stderr_truncated]).toEqual([
      10 * 1024 * 1024,
      true,
      false,
    ]);
  });

  describe("standard input", () => {
    test("goes along when it is piped, and ends where it ends", async () => {
      expect((await client.ok(["exec", "--", "cat; echo end"], { stdin: "a\nb" })).stdout).toBe("a\nbend\n");
      expect((await exec("cat; echo end")).stdout).toBe("end\n");
    });

    test("left open by somebody else does not hold a command up", async () => {
      const child = start(["exec", "--", "echo done"], "pipe");
      expect(await new Response(child.stdout).text()).toBe("done\n");
      expect(await child.exited).toBe(0);
    });

    test("and output are whole at 64 MiB", async () => {
      const file = path.join(client.home.dir, "64m");
      const bytes = randomBytes(64 * 1024 * 1024);
      await writeFile(file, bytes);
      const child = Bun.spawn([BINARY, "exec", "--", "cat"], {
        env: client.home.env,
        stdin: Bun.file(file),
        stdout: "pipe",
        stderr: "inherit",
      });
      const hash = createHash("sha256");
      for await (const chunk of child.stdout) hash.update(chunk);
      expect(await child.exited).toBe(0);
      expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    });

    test("of a terminal is not read unless --stdin says so", async () => {
      const run = async (words: string[], typed?: string): Promise<string> => {
        let shown = "";
        const seen = Promise.withResolvers<void>();
        const child = Bun.spawn([BINARY, "exec", ...words], {
          env: client.home.env,
          terminal: {
            data(_: unknown, bytes: Uint8Array) {
              shown += new TextDecoder().decode(bytes);
              if (shown.includes("ready")) seen.resolve();
            },
          },
        });
        if (typed !== undefined) {
          await seen.promise;
          child.terminal?.write(typed);
        }
        await child.exited;
        return shown;
      };
      expect(await run(["--", "cat; echo end"])).toBe("end\r\n");
      expect(await run(["--stdin", "--", "echo ready; head -n 1 | tr a-z A-Z"], "typed\n")).toContain("TYPED");
      expect(await run(["--tty", "--", "test -t 0 && test -t 1 && echo terminal"])).toContain("terminal");
    });
  });

  describe("signals", () => {
    test.each([
      ["SIGINT", "INT", 130],
      ["SIGTERM", "TERM", 143],
    ] as const)("%s reaches the command, which may end in its own way", async (signal, name, code) => {
      const line = `trap 'echo heard ${name} > heard-${name}; exit 0' ${name}; echo begun; while :; do sleep 0.05; done`;
      const child = start(["exec", "--", line]);
      await until(child.stdout, "begun");
      child.kill(signal);
      expect(await child.exited).toBe(code);
      expect((await exec("cat", `heard-${name}`)).stdout).toBe(`heard ${name}\n`);
    });

    test("Ctrl-C at a terminal does so as well", async () => {
      let shown = "";
      const begun = Promise.withResolvers<void>();
      const child = Bun.spawn(
        [BINARY, "exec", "--", "trap 'echo bye; exit 0' INT; echo begun; while :; do sleep 0.05; done"],
        {
          env: client.home.env,
          terminal: {
            data(_: unknown, bytes: Uint8Array) {
              shown += new TextDecoder().decode(bytes);
              if (shown.includes("begun")) begun.resolve();
            },
          },
        },
      );
      await begun.promise;
      child.terminal?.write("\u0003");
      expect(await child.exited).toBe(130);
      expect(shown).toContain("bye");
    });

    test("a command that will not hear is ended by the second one", async () => {
      const child = start(["exec", "--", `trap '' INT TERM; ${heartbeat("deaf")}`]);
      await until(child.stdout, "begun");
      child.kill("SIGINT");
      // Two that come before the first was taken are one, so more of them follow until it ends.
      const again = setInterval(() => child.kill("SIGINT"), 50);
      expect(await child.exited).toBe(130);
      clearInterval(again);
      await expect.poll(() => lives("deaf")).toBe(false);
    });

    test("the command does not live on when the client is killed outright", async () => {
      const child = start(["exec", "--", heartbeat("orphan")]);
      await until(child.stdout, "begun");
      child.kill("SIGKILL");
      await child.exited;
      await expect.poll(() => lives("orphan")).toBe(false);
    });

    test("a time limit ends the command and is an error of its own", async () => {
      const ran = await client.run(["exec", "--json", "--timeout", "2s", "--", heartbeat("late")]);
      expect(ran.exitCode).toBe(255);
      expect(ran.json()).toMatchObject({ error: "timeout", phase: "remote" });
      await expect.poll(() => lives("late")).toBe(false);
    });
  });

  test("a reader that has seen enough ends it quietly", async () => {
    const child = start(["exec", "--", "yes"]);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await child.exited;
    expect(await new Response(child.stderr).text()).toBe("");
  });

  test("a client that goes away in the middle of its output leaves the master and what rides it alone", async () => {
    await exec("true");
    const before = await masterPid();
    const other = start(["exec", "--", "echo begun; sleep 60"]);
    await until(other.stdout, "begun");
    for (let round = 0; round < 5; round++) {
      const child = start(["exec", "--", "yes"]);
      const reader = child.stdout.getReader();
      await reader.read();
      await reader.cancel();
      expect(await child.exited).toBe(0);
    }
    expect(await masterPid()).toBe(before);
    other.kill("SIGTERM");
    expect(await other.exited).toBe(143);
  });

  describe("at most once", () => {
    const count = async (file: string): Promise<string> => (await exec("cat", file)).stdout;

    test("a master that is dead beforehand is replaced, and the command runs once", async () => {
      process.kill(await masterPid(), "SIGKILL");
      expect((await exec("echo x >> dead")).exitCode).toBe(0);
      expect(await count("dead")).toBe("x\n");
    });

    test("a master that dies midway: it ran once, and the answer says that it may have begun", async () => {
      const child = start(["exec", "--json", "--", "echo x >> midway; sleep 30"]);
      await expect.poll(() => count("midway")).toBe("x\n");
      process.kill(await masterPid(), "SIGKILL");
      expect(await child.exited).toBe(255);
      expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({
        error: "ssh_failed",
        phase: "remote",
      });
      expect(await count("midway")).toBe("x\n");
    });

    test("a workspace that was stopped and started since is reached by a new master", async () => {
      await client.ok(["stop", "demo", "--keep"]);
      await client.ok(["start", "demo"]);
      await client.run(["connect", "demo"]);
      expect((await exec("echo x >> restarted")).exitCode).toBe(0);
      expect(await count("restarted")).toBe("x\n");
    });

    test("a workspace that somebody else stopped is an error of its own, never the command's 255", async () => {
      const other = await server.client();
      await exec("true");
      await other.ok(["stop", "demo"]);
      try {
        const ran = await client.run(["exec", "--json", "--", "echo x >> stopped"]);
        expect(ran.exitCode).toBe(255);
        expect(ran.json()).toMatchObject({
          error: "conflict",
          message: "the command was not run: workspace demo is stopped",
          phase: "connect",
        });
        const plain = await client.run(["exec", "--", "echo x >> stopped"]);
        expect(plain).toMatchObject({ exitCode: 255, stdout: "" });
        expect(plain.stderr).toMatch(/^runcode: the command was not run: workspace demo is stopped\n/);
        const port = String(await freePort());
        await writeFile(path.join(client.home.dir, "f"), "f");
        await mkdir(path.join(client.home.dir, "t"));
        for (const [words, what] of [
          ["put f there", "there was not transferred"],
          ["put -r t there", "there was not transferred"],
          ["write there --file f", "there was not transferred"],
          ["get there", "there was not transferred"],
          ["get -r there", "there was not transferred"],
          [`port-forward ${port}:80`, "nothing was forwarded"],
          [`port-forward --reverse ${port}:${port}`, "nothing was forwarded"],
          [`port-forward --foreground ${port}:80`, "nothing was forwarded"],
        ] as const) {
          const refused = await client.run([...words.split(" "), "--json"], { cwd: client.home.dir });
          expect([words, refused.exitCode, refused.json()]).toMatchObject([
            words,
            5,
            { error: "conflict", message: `${what}: workspace demo is stopped`, phase: "connect" },
          ]);
        }
      } finally {
        await client.ok(["start", "demo"]);
      }
      expect(await count("stopped")).toBe("");
    });

    test("a key that ran out is replaced before the command is sent", async () => {
      await exec("true");
      const before = await readFile(path.join(await sessionDir(), "id_ed25519.pub"), "utf8");
      const meta = path.join(await sessionDir(), "meta.json");
      const ended = `"expiresAt": ${Date.now() - 1000}`;
      await writeFile(meta, (await readFile(meta, "utf8")).replace(/"expiresAt": \d+/, ended));
      expect((await exec("echo x >> expired")).exitCode).toBe(0);
      expect(await count("expired")).toBe("x\n");
      expect(await readFile(path.join(await sessionDir(), "id_ed25519.pub"), "utf8")).not.toBe(before);
    });
  });

  test("twenty at once on a cold cache mint one session, and all succeed", async () => {
    await client.ok(["clean", "--all"]);
    const codes = await Promise.all(
      Array.from({ length: 20 }, async () => {
        return (await client.run(["exec", "--workspace", "demo", "--", "exit 3"])).exitCode;
      }),
    );
    expect(new Set(codes)).toEqual(new Set([3]));
    await client.ok(["connect", "demo"]);
  });

  test("ssh runs a command, and a shell that reads its script from a pipe; run and shell are its other names", async () => {
    expect((await client.ok(["ssh", "demo", "--", "echo", "a  b"])).stdout).toBe("a  b\n");
    expect((await client.run(["run", "demo", "--", "exit 9"])).exitCode).toBe(9);
    const ran = await client.run(["shell", "demo"], { stdin: "pwd\nexit 4\n" });
    expect([path.basename(ran.stdout.trim()), ran.exitCode]).toEqual(["workspace", 4]);
  });

  test("context tells of the project in one document", async () => {
    await exec(
      "git init -q -b trunk . && touch package.json new && git remote add origin https://me:secret@host/x.git",
    );
    const told = (await client.ok(["context", "--json"])).json<{
      title: string;
      cwd: string;
      markers: string[];
      git: { branch: string; remote: string };
      tools: Record<string, string>;
      disk: { total_bytes: number };
    }>();
    expect(told).toMatchObject({ title: "demo", git: { branch: "trunk", remote: "https://host/x.git" } });
    expect(told.markers).toContain("package.json");
    expect(told.tools["git"]).toMatch(/^git version/);
    expect(told.disk.total_bytes).toBeGreaterThan(0);
    const text = (await client.ok(["context"])).stdout;
    expect(text).toMatch(/^git +trunk/m);
    expect(text).not.toContain("secret");
  });

  test("proxy carries what ssh says, for several at once", async () => {
    const dir = await sessionDir();
    const words = ["-F", path.join(dir, "config"), "-o", "ControlMaster=no", "-o", "ControlPath=none"];
    const id = path.basename(dir).slice(3);
    const codes = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const child = Bun.spawn(
          ["ssh", ...words, "-o", `ProxyCommand=${BINARY} proxy ${id}`, "runcode-demo", `exit ${i + 1}`],
          { env: client.home.env, stdin: "ignore", stdout: "inherit", stderr: "inherit" },
        );
        return child.exited;
      }),
    );
    expect(codes).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("no command is a mistake that exits 255", async () => {
    const ran = await client.run(["exec", "--json"]);
    expect([ran.exitCode, ran.json()["error"]]).toEqual([255, "usage"]);
  });

  describe("the hot path loads nothing that it does not use", () => {
    const allowed: Record<string, RegExp> = {
      "exec -- true":
        /^(bin|src)\/(?!server(?!\/inside\.ts)|api|ssh\/(managed|transfer|by-client|survey)|cli\/(help|json-schema|outline)|protocol\/(output|error-meanings)|platform\/(prompt|keychain|token-store))/,
      current:
        /^(bin|src)\/(?!server(?!\/inside\.ts)|api|ssh\/(managed|transfer|channel|run)|cli\/(help|json-schema|outline)|protocol\/(output|error-meanings)|platform\/(prompt|keychain|token-store))/,
      statusline:
        /^(bin|src)\/(?!server(?!\/inside\.ts)|api|ssh|bundle\/(sessions|cache|mint)|cli\/(help|json-schema|outline)|protocol\/(output|error-meanings)|platform\/(prompt|keychain|token-store|settings))/,
      "proxy 4294967295":
        /^(bin|src)\/(?!server(?!\/inside\.ts)|ssh\/(transfer|channel|run|by-client)|cli\/(help|json-schema|outline)|protocol\/(output|error-meanings)|platform\/prompt)/,
    };
    test.each(Object.keys(allowed))("%s", async (command) => {
      const list = path.join(client.home.dir, `loaded-${randomBytes(4).toString("hex")}`);
      const child = Bun.spawn(
        [process.execPath, "--preload", "./test/fixtures/tell-modules.ts", "bin/runcode.ts", ...command.split(" ")],
        {
          cwd: ROOT,
          env: { ...client.home.env, LOADED_MODULES: list },
          stdin: "ignore",
          stdout: "ignore",
          stderr: "ignore",
        },
      );
      await child.exited;
      const loaded = (await readFile(list, "utf8"))
        .trim()
        .split("\n")
        .map((file) => path.relative(ROOT, file));
      expect(loaded).toContain(`src/commands/${command.split(" ")[0]}.ts`);
      const needed = command.startsWith("proxy")
        ? loaded.filter((file) => !file.startsWith("node_modules/valibot"))
        : loaded;
      expect(needed.filter((file) => !allowed[command]?.test(file))).toEqual([]);
      // docs/decisions/021: each of them takes as long to load as all the rest. A relay needs a socket that closes by halves.
      const dear = command.startsWith("proxy")
        ? /from "node:(?:crypto|util|child_process)"/
        : /from "node:(?:crypto|net|tty|util|stream|child_process)"/;
      const ours = loaded.filter((file) => file.startsWith("src/") || file.startsWith("bin/"));
      const sources = await Promise.all(ours.map((file) => readFile(path.join(ROOT, file), "utf8")));
      const imports = sources.flatMap((source) => source.match(/^import (?!type )[^;]+;/gm) ?? []);
      expect(imports.filter((line) => dear.test(line))).toEqual([]);
    });
  });
});

describeWith("ssh")("a gateway that is killed midway", () => {
  test("leaves a command that ran once and an answer that says so", async () => {
    const server = await testServer();
    try {
      const client = await server.client();
      await client.ok(["create", "demo", "--start", "--wait"]);
      await client.ok(["connect", "demo"]);
      const child = Bun.spawn([BINARY, "exec", "--json", "--", "echo x >> count; echo begun >&2; sleep 30"], {
        env: client.home.env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const begun = async (): Promise<number> => (await client.run(["exec", "--", "test", "-s", "count"])).exitCode;
      await expect.poll(begun).toBe(0);
      await killForGood(server.facts.pid);
      expect(await child.exited).toBe(255);
      const stdout = await new Response(child.stdout).text();
      checkDocuments(["exec", "--json"], { stdout, exitCode: 255 });
      const told = JSON.parse(stdout) as unknown;
      expect(told).toMatchObject({ error: "ssh_failed", phase: "remote" });
    } finally {
      await server.close();
    }
  });
});
