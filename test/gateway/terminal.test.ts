// Terminals: a real one around `ssh -tt`.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { world } from "./fixture.ts";
import type { World } from "./fixture.ts";

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

/** Runs `ssh -tt` on a terminal of its own; `until` waits for text to appear. */
function onTerminal(...words: string[]) {
  let text = "";
  let look = (): void => {};
  const child = Bun.spawn(["ssh", "-F", w.key().config, "-tt", "w", ...words], {
    env: { ...process.env, TERM: "xterm-256color" },
    terminal: {
      cols: 90,
      rows: 30,
      data: (_terminal, data) => {
        text += Buffer.from(data).toString();
        look();
      },
    },
  });
  const terminal = child.terminal;
  if (terminal === undefined) throw new Error("no terminal");
  const until = (wanted: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve) => {
      look = () => {
        const found = wanted.exec(text);
        if (found !== null) resolve(found);
      };
      look();
    });
  return { terminal, until, exited: child.exited, kill: () => child.kill("SIGKILL") };
}

describe("a terminal", () => {
  test("has the client's kind and size, and follows when it is resized", async () => {
    const line = `tty >/dev/null && echo tty; echo $TERM; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.02; done`;
    const { terminal, until, exited } = onTerminal(line);
    await until(/tty\r\nxterm-256color\r\n30 90\r\nready/);
    terminal.resize(120, 40);
    await until(/\n40 120\r/);
    expect(await exited).toBe(5);
  });

  test("is a login shell without a command, where ^C reaches what runs and exit tells its code", async () => {
    const { terminal, until, exited } = onTerminal();
    // The child says that it runs: a ^C between the shell's own echo and its fork is lost in bash on any terminal.
    terminal.write("PS1='$ '; sh -c 'echo sh\"\"ell; exec sleep 1000'\n");
    await until(/[\r\n]shell\r/);
    terminal.write("\x03");
    // What is typed before the shell has its prompt back may be thrown away with what it interrupted.
    await until(/\^C[\s\S]*\$ $/);
    terminal.write("echo co''de $?; exit 6\n");
    await until(/[\r\n]code 130\r/);
    expect(await exited).toBe(6);
  });

  test("hangs up on what runs in it when the client is gone", async () => {
    const { until, kill, exited } = onTerminal("echo pid $$; exec sleep 1000");
    const pid = Number((await until(/pid (\d+)\r/))[1]);
    kill();
    await exited;
    for (let alive = true; alive; await Bun.sleep(20)) {
      try {
        process.kill(pid, 0);
      } catch {
        alive = false;
      }
    }
  });

  test("gives all of a long output before it tells the code", async () => {
    const { until, exited } = onTerminal("seq 200000; exit 3");
    expect(await exited).toBe(3);
    await until(/\n199999\r\n200000\r\n/);
  });
});
