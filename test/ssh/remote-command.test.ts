// What leaves here as an argv or a line arrives as that, whatever shell the account at the other end has.
import * as fc from "fast-check";
import { execa } from "execa";
import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { forAnyShell, scriptBeforeOwnShell } from "../../src/protocol/shell-line.ts";
import { checkedEnv, remoteLine, type RemoteCommand } from "../../src/ssh/remote-command.ts";
import { describeWith, type Tool, which } from "../harness/index.ts";

// A home, too: some shells write into theirs.
const base = realpathSync(mkdtempSync(path.join(os.tmpdir(), "rc-")));
afterAll(() => rm(base, { recursive: true, force: true }));
const line = (words: readonly string[], more: Partial<RemoteCommand> = {}): string =>
  remoteLine({ words, directory: base, base, id: "0123456789abcdef", ...more });

/** Runs a line as sshd does: `<login shell> -c <line>`. */
const asLogin = (shell: string, text: string, env: Record<string, string> = {}) =>
  execa(shell, ["-c", text], {
    env: { PATH: process.env["PATH"] ?? "", HOME: base, SHELL: shell, ...env },
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    stdin: "ignore",
  });

/** Runs a line as our gateway does where it need not start the login shell before /bin/sh. */
const asGateway = (shell: string, text: string) =>
  execa("/bin/sh", ["-c", scriptBeforeOwnShell(text) ?? expect.unreachable("the line was not read")], {
    env: { PATH: process.env["PATH"] ?? "", HOME: base, SHELL: shell },
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    stdin: "ignore",
  });

const nasty = fc
  .array(
    fc.constantFrom(
      ..."ab-~*?[]{}()<>|&;#$`\"'\\!=%^@:, \t\n\r".split(""),
      "é",
      "☃",
      "🙂",
      "$HOME",
      "$(id)",
      "\\n",
      "\\0041",
      "%s",
      "!!",
      "--",
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));
const argv = fc.array(nasty, { minLength: 1, maxLength: 6 });

const SHELLS: readonly Tool[] = ["dash", "bash", "zsh", "fish", "tcsh"];
for (const tool of SHELLS) {
  describeWith(tool)(`an account whose login shell is ${tool}`, () => {
    const shell = which(tool) as string;

    test("gives every program the argv it was sent", async () => {
      await fc.assert(
        fc.asyncProperty(argv, async (args) => {
          const { stdout, stderr } = await asLogin(shell, line(["printf", "%s\\0", ...args]));
          expect({ args: stdout.split("\0").slice(0, -1), stderr }).toEqual({ args, stderr: "" });
        }),
        { numRuns: 40, examples: [[["", "-n", "--", "it's", "a\nb\n", "!1", "\\'", "a\\\nb"]]] },
      );
    });

    test("gives a variable and a directory as they are", async () => {
      await fc.assert(
        fc.asyncProperty(nasty, async (value) => {
          const { stdout } = await asLogin(shell, line(["printenv", "X_1"], { env: [`X_1=${value}`] }));
          expect(stdout).toBe(`${value}\n`);
        }),
        { numRuns: 15 },
      );
    });

    test("runs a single word as a line of that shell, in the directory", async () => {
      const { stdout, exitCode } = await asLogin(shell, line(["pwd && echo 'a  b' | tr a '!'; exit 7"]));
      expect({ stdout, exitCode }).toEqual({ stdout: `${base}\n!  b\n`, exitCode: 7 });
    });

    test("runs a single word alike where the gateway starts the shell once", async () => {
      const words = ["pwd && echo 'a  b' | tr a '!'; printenv X_1; printenv RUNCODE_EXEC_ID; exit 7"];
      const sent = line(words, { env: ["X_1=it's\n\\0041 $HOME!"] });
      const [login, gateway] = await Promise.all([asLogin(shell, sent), asGateway(shell, sent)]);
      expect(gateway).toMatchObject({ stdout: login.stdout, stderr: login.stderr, exitCode: 7 });
      expect(gateway.stdout).toBe(`${base}\n!  b\nit's\n\\0041 $HOME!\n0123456789abcdef\n`);
    });

    test("is not misled by a line that starts with a dash", async () => {
      const { stderr, exitCode } = await asLogin(shell, line(["-c whoami"]));
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain("-c");
    });

    test("says 128+n where a signal ended the command and the wrapper stays, and nothing else", async () => {
      const killed = await asLogin(shell, line(["sh", "-c", "kill -9 $$"], { parent: true }));
      expect({ exitCode: killed.exitCode, stderr: killed.stderr }).toEqual({ exitCode: 137, stderr: "" });
    });

    test("does not run the command where the directory is missing", async () => {
      const { stdout, stderr, exitCode } = await asLogin(shell, line(["echo", "ran"], { directory: "/no such/dir" }));
      expect({ stdout, stderr, exitCode }).toEqual({
        stdout: "",
        stderr: "runcode-no-directory-0123456789abcdef\n",
        exitCode: 255,
      });
    });
  });
}

describe("the directory", () => {
  const where = async (directory: string | null, env = {}): Promise<string> =>
    (await asLogin("/bin/sh", line(["pwd"], { directory, base: "/usr" }), { HOME: "/var", ...env })).stdout.trim();

  test("is the home directory when none is named, below it with a tilde, and below the project otherwise", async () => {
    expect(await where("/")).toBe("/");
    expect(await where("lib")).toBe("/usr/lib");
    expect(await where("./lib/..")).toBe("/usr");
    expect(await where("~")).toBe("/var");
    expect(await where("~/tmp")).toBe("/var/tmp");
  });

  test("is not looked for along CDPATH", async () => {
    expect(await where("tmp", { CDPATH: "/var" })).toBe("");
    expect(await where("-")).toBe("");
  });
});

test("nothing but one quoted word reaches the login shell, and it has no character that any shell changes", () => {
  fc.assert(
    fc.property(fc.string(), (script) => {
      fc.pre(!script.includes("\0"));
      const body = /^exec \/bin\/sh -c '(?:eval "\$\(printf %b "\$1"\)"' sh ')?([^']*)'$/s.exec(
        forAnyShell(script),
      )?.[1];
      expect(body).toBeDefined();
      expect(body).not.toMatch(/[!\r\n]|\\(?!0[0-7]{3})/);
    }),
  );
});

describe("the script that a gateway of ours runs without the login shell before it", () => {
  const id = "RUNCODE_EXEC_ID=0123456789abcdef; : own-shell-last; ";

  test("is the one that was sent, whatever is in it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), nasty), (rest) => {
        fc.pre(!rest.includes("\0"));
        expect(scriptBeforeOwnShell(forAnyShell(id + rest))).toBe(id + rest);
      }),
    );
  });

  test("is only that of a line for the account's own shell", () => {
    expect(scriptBeforeOwnShell(line(["true"]))).toMatch(/exec "\$\{SHELL:-\/bin\/sh\}" -c true$/);
    expect(scriptBeforeOwnShell(line(["echo", "a"]))).toBeNull();
    expect(scriptBeforeOwnShell(line([]))).toBeNull();
  });

  test.each([
    "true",
    "",
    id,
    `exec /bin/sh -c '${id}true'; true`,
    ` exec /bin/sh -c '${id}true'`,
    `exec /bin/sh -c '${id}true`,
    `exec /bin/sh -c '${id}true''x'`,
    `exec /bin/sh -c '${id}true' x`,
    `exec /bin/sh -c '${id}true'\n`,
    `exec /bin/sh -c '${id}tr\\ue'`,
    `exec /bin/sh -c 'true; ${id}'`,
    `exec /bin/sh -c 'RUNCODE_EXEC_ID=0123; : own-shell-last; true'`,
    `exec /bin/sh -c 'RUNCODE_EXEC_ID=0123456789abcdef; export X; true'`,
    `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${id}a\\n'`,
    `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${id}a\\0999'`,
    `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${id}a' 'b'`,
    `exec /bin/bash -c '${id}true'`,
  ])("is not found in %j", (text) => {
    expect(scriptBeforeOwnShell(text)).toBeNull();
  });
});

test("a command that no kernel would start is refused here", () => {
  expect(() => line(["x".repeat(140_000)])).toThrow(/too long/);
  expect(() => line(["a\0b"])).toThrow(/NUL/);
});

test("the names of variables are checked", () => {
  expect(checkedEnv(["A=", "_b1=x=y", "C=\n"])).toHaveLength(3);
  for (const bad of ["A", "=x", "1A=x", "A-B=x", "A B=x", "$(id)=x", ""]) {
    expect(() => checkedEnv([bad])).toThrow(/--env takes NAME=value/);
  }
});
