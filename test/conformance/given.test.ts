// A workspace with an environment and a command of its own: the same under every driver.
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sandbox, SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { CommandEnded, startWorkspace } from "../../src/server/sandboxes/workspace.ts";
import { DRIVERS, run, subject, type Subject } from "./subjects.ts";

type Given = Pick<SandboxSpec, "command" | "environment">;

describe.each(DRIVERS)("what a workspace under the %s driver is given", (name) => {
  let on: Subject;
  const started: Sandbox[] = [];
  beforeAll(async () => void (on = await subject(name)));
  afterAll(async () => {
    await Promise.all(started.map(async (sandbox) => await sandbox.stop({ graceMs: 0 })));
    await on.close();
  });

  const made = async (given: Given): Promise<SandboxSpec> => {
    const spec = { ...on.spec(), ...given };
    await on.driver.create(spec);
    return spec;
  };
  const start = async (given: Given): Promise<Sandbox> => {
    const sandbox = await startWorkspace(on.driver, await made(given));
    started.push(sandbox);
    return sandbox;
  };
  const failure = async (given: Given): Promise<CommandEnded> => {
    const error = await startWorkspace(on.driver, await made(given)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandEnded);
    return error as CommandEnded;
  };
  /** Resolves with the file's text once it is not empty. */
  const file = async (sandbox: Sandbox, path: string): Promise<string> =>
    (await run(sandbox, `until [ -s ${path} ]; do sleep 0.02; done; cat ${path}`)).stdout;

  test("is seen by commands, terminals and the command, as it is and behind what a session asks for", async () => {
    // Names that a careless shell on the way in would stumble over, and values that it would take apart.
    const environment = {
      ...{ n: "1", PATH: "/usr/local/bin:/usr/bin:/bin", _X: "a b\n'\"$HOME`", ENV: "/nowhere" },
      ...{ EMPTY: "", LANG: "C" },
    };
    const names = Object.keys(environment);
    const print = names.map((name) => `printenv ${name}`).join("; ");
    const all = `${Object.values(environment).join("\n")}\n`;
    const sandbox = await start({
      environment,
      command: ["/bin/bash", "-c", `(${print}) > ~/seen.part; mv ~/seen.part ~/seen; exec sleep inf`],
    });
    expect(await file(sandbox, "~/seen")).toBe(all);
    expect((await run(sandbox, ["/bin/bash", "-c", print])).stdout).toBe(all);
    const request = { pty: { term: "xterm", columns: 80, rows: 24 }, env: { n: "2" } };
    expect((await run(sandbox, "printenv n LANG", request)).stdout.replaceAll("\r", "")).toBe("2\nC\n");
    // Who it is stays who it is.
    expect((await run(sandbox, "printenv HOME USER")).stdout).toBe(`${sandbox.home}\n${sandbox.user}\n`);
  });

  test("is not obeyed by what the workspace itself stands on", async () => {
    const environment = {
      LD_PRELOAD: "/nowhere.so",
      LD_LIBRARY_PATH: "/nowhere",
      BUN_OPTIONS: "--nonsense",
      PATH: "/no",
    };
    const sandbox = await start({ environment, command: ["/bin/sleep", "inf"] });
    const { stderr, stdout, exit } = await run(sandbox, ["/usr/bin/printenv", "BUN_OPTIONS"]);
    expect([stdout, exit, stderr]).toEqual(["--nonsense\n", { code: 0 }, expect.stringContaining("/nowhere.so")]);
    // The helper would say so of itself as well, or not be there to serve files.
    const sftp = await sandbox.sftp();
    sftp.stdin.end();
    expect([await text(sftp.stderr as NodeJS.ReadableStream), await sftp.exited]).toEqual(["", { code: 0 }]);
    const first = await run(sandbox, ["/bin/cat", "/proc/1/environ"], { env: { LD_PRELOAD: "" } });
    if (name !== "process") expect(first.stdout).not.toContain("nowhere");
  });

  test("runs from the start in the project directory, and reads nothing", async () => {
    const sandbox = await start({ command: "pwd > ~/where; cat; pwd > ~/after-input; exec sleep inf" });
    expect(await file(sandbox, "~/where")).toBe(`${sandbox.workdir}\n`);
    expect(await file(sandbox, "~/after-input")).toBe(`${sandbox.workdir}\n`);
  });

  test("a project directory that is gone keeps no command from running", async () => {
    const spec = await made({});
    const first = await on.driver.start(spec);
    await run(first, "rmdir workspace && ln -s nowhere workspace");
    await first.stop({ graceMs: 0 });
    const sandbox = await startWorkspace(on.driver, { ...spec, command: "pwd > ~/where; exec sleep inf" });
    started.push(sandbox);
    expect(await file(sandbox, "~/where")).toBe(`${sandbox.home}\n`);
  });

  test("a stop asks the command to end, and waits until it has", async () => {
    const spec = await made({
      command: "trap 'sleep 2.5; echo heard > ~/heard; exit' TERM; touch ~/deaf-no-more; while :; do sleep 0.02; done",
    });
    const sandbox = await startWorkspace(on.driver, spec);
    await run(sandbox, "until [ -e ~/deaf-no-more ]; do sleep 0.02; done");
    await sandbox.stop();
    expect(await sandbox.ended).toEqual({ reason: "stopped" });
    const again = await on.driver.start(spec);
    expect((await run(again, "cat ~/heard")).stdout).toBe("heard\n");
    await again.stop({ graceMs: 0 });
  });

  test("the workspace ends with its command, whatever else runs, and says how it ended and what it last wrote", async () => {
    const sandbox = await start({
      environment: { TOKEN: "not-to-be-told" },
      command:
        "sleep inf & seq 1 5000; until [ -e ~/enough ]; do sleep 0.02; done; echo $TOKEN; printf 'no \\033[31mend' >&2; exit 5",
    });
    const other = await sandbox.exec({ command: ["sleep", "inf"] });
    await run(sandbox, "touch ~/enough");
    expect(await sandbox.ended).toEqual({
      reason: "its command ended with exit code 5",
      output: expect.stringMatching(/\*\*\* \| no \[31mend$/) as string,
    });
    await other.exited;
    await expect(sandbox.exec({ command: "true" })).rejects.toMatchObject({ code: "conflict" });
  });

  test("a command that ends by a signal is said to have", async () => {
    const sandbox = await start({ command: "until [ -e ~/enough ]; do sleep 0.02; done; kill -USR1 $$" });
    await run(sandbox, "touch ~/enough");
    expect(await sandbox.ended).toEqual({ reason: "its command was ended by signal USR1" });
  });

  test("a command that ends at once is a start that failed, with its code and its words, and leaves nothing running", async () => {
    const given = { command: "echo first; echo last >&2; sleep inf & exit 3" };
    const { code, message, output } = await failure(given);
    expect({ code, message, words: output?.split(" | ").sort() }).toEqual({
      code: "start_failed",
      message: "its command ended with exit code 3",
      words: ["first", "last"],
    });
    expect((await failure({ command: ["/bin/true"] })).message).toBe("its command ended with exit code 0");
  });

  test("a command that is not there, or may not be run, is said to be so", async () => {
    const missing = await failure({ command: ["/no/such/program", "x"] });
    expect(missing.message).toBe("its command ended with exit code 127, not found");
    expect(missing.output).toContain("/no/such/program");
    const refused = await failure({ command: ["/etc/passwd"] });
    expect(refused.message).toBe("its command ended with exit code 126, cannot be run");
  });

  test("a start that is given up takes the command with it", async () => {
    const spec = await made({ command: "touch ~/runs; exec sleep inf" });
    const giveUp = new AbortController();
    const starting = startWorkspace(
      {
        ...on.driver,
        start: async (of, options) => {
          const sandbox = await on.driver.start(of, options);
          const exec = sandbox.exec.bind(sandbox);
          sandbox.exec = async (request) => {
            const process = await exec(request);
            giveUp.abort(new Error("given up"));
            return process;
          };
          started.push(sandbox);
          return sandbox;
        },
      } as Subject["driver"],
      spec,
      { signal: giveUp.signal },
    );
    await expect(starting).rejects.toThrow("given up");
    expect(await started.at(-1)?.ended).toEqual({ reason: "stopped" });
  });
});
