// The frame of a command, on in-memory streams: as a terminal and as a pipe.
import { Writable, Readable } from "node:stream";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { commandsOf } from "../../src/cli/define.ts";
import { Output } from "../../src/cli/output.ts";
import { run, type Program } from "../../src/cli/run.ts";
import { EXIT_CODES, RuncodeError, type ErrorCode } from "../../src/protocol/errors.ts";

interface Seen {
  args?: Record<string, unknown>;
}

const define = commandsOf<Seen>();
const greet = define({
  summary: "Greet somebody",
  description: "Says it to one person, or\nto several.\n\nBy these words:\n  ada     her\n  * all   them",
  positionals: { name: { arity: "one", summary: "who" }, others: { arity: "many", summary: "who else" } },
  options: {
    loud: { kind: "flag", short: "l", summary: "loudly" },
    times: { kind: "integer", placeholder: "N", min: 1, max: 9, summary: "how often" },
    wait: { kind: "seconds", placeholder: "TIME", summary: "how long" },
    env: { kind: "list", placeholder: "K=V", summary: "with" },
    tone: { kind: "string", placeholder: "TONE", choices: ["warm", "dry"], summary: "how" },
    noFuss: { kind: "flag", summary: "plainly" },
    also: { kind: "optional", placeholder: "WHOM", summary: "somebody more, or everybody" },
  },
  rest: "command",
  examples: [["runcode greet ada", "says hello"]],
  schema: async () => ({ default: v.object({ greeted: v.string() }) }),
  async run(args, seen) {
    seen.args = args;
    return { json: { greeted: args.name }, text: `hello ${args.name}` };
  },
});
const fails = (error: unknown, remote = false): ReturnType<typeof define> =>
  define({
    summary: "Fail",
    examples: [],
    schema: null,
    ...(remote ? { remoteExitCode: true as const } : {}),
    run: () => Promise.reject(error as Error),
  });

async function drive(
  argv: readonly string[],
  options: { tty?: boolean; env?: Record<string, string>; error?: unknown; remote?: boolean } = {},
) {
  const text = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr"): Writable & { isTTY: boolean } =>
    Object.assign(new Writable({ write: (chunk: Buffer, _, done) => ((text[name] += chunk.toString()), done()) }), {
      isTTY: options.tty ?? false,
    });
  const seen: Seen = {};
  const program: Program<Seen> = {
    version: "9.9.9",
    streams: { stdin: Readable.from([]), stdout: sink("stdout"), stderr: sink("stderr") },
    env: options.env ?? {},
    registry: {
      greet: { load: async () => ({ default: greet }) },
      hello: { load: async () => ({ default: greet }), hidden: true, aliasOf: "greet" },
      "greet twice": { load: async () => ({ default: fails(new RuncodeError("conflict", "twice")) }) },
      "paint red": { load: async () => ({ default: fails(new RuncodeError("conflict", "red")) }) },
      "paint blue": { load: async () => ({ default: fails(new RuncodeError("conflict", "blue")) }) },
      fail: { load: async () => ({ default: fails(options.error, options.remote) }) },
    },
    groups: [["All", ["greet"]]],
    context: () => seen,
  };
  const exit = await run(program, argv);
  return { exit, ...text, args: seen.args };
}

describe("words become arguments by the declaration", () => {
  test.each([
    [["greet", "ada"], undefined],
    [["greet", "ada", "--also"], ""],
    [["greet", "ada", "--also", "--loud"], ""],
    [["greet", "--also", "eve", "ada"], "eve"],
    [["greet", "ada", "--also=eve"], "eve"],
    [["greet", "ada", "--also", "--", "x"], ""],
  ])("%j: an option whose value may be left out is %j", async (argv, also) => {
    const { args } = await drive(argv);
    expect(args).toMatchObject({ name: "ada", others: [] });
    expect(args?.["also"]).toBe(also);
  });

  test("positionals, options and what follows -- arrive under their names", async () => {
    const { args, exit } = await drive([
      "greet",
      "ada",
      "bob",
      "-l",
      "--times=3",
      "--wait",
      "2m",
      "--env",
      "A=1",
      "--env",
      "B=2",
      "--no-fuss",
      "--",
      "ls",
      "--json",
      "-l",
    ]);
    expect(exit).toBe(0);
    expect(args).toMatchObject({
      name: "ada",
      others: ["bob"],
      loud: true,
      times: 3,
      wait: 120,
      env: ["A=1", "B=2"],
      noFuss: true,
      rest: ["ls", "--json", "-l"],
    });
  });

  test("what is not given is empty, not missing", async () => {
    const { args } = await drive(["greet", "ada"]);
    expect(args).toMatchObject({ loud: false, times: undefined, env: [], others: [], rest: [] });
  });

  test("global flags are taken before and after the name", async () => {
    for (const argv of [
      ["--json", "greet", "ada"],
      ["greet", "--json", "ada"],
      ["greet", "ada", "--json"],
      ["--profile", "p", "greet", "ada", "--json"],
    ]) {
      expect((await drive(argv)).stdout).toBe('{"greeted":"ada"}\n');
    }
  });

  test("a name of two words wins over its first", async () => {
    expect((await drive(["greet", "twice"])).exit).toBe(EXIT_CODES.conflict);
    expect((await drive(["greet", "--", "twice"])).exit).toBe(EXIT_CODES.usage);
  });

  test.each([
    [["greet"], "<name> is missing"],
    [["greet", "a", "--times", "0"], "--times takes a whole number from 1 to 9"],
    [["greet", "a", "--times", "1e3"], "--times takes a whole number"],
    [["greet", "a", "--times"], "--times needs a value"],
    [["greet", "a", "--wait", "soon"], "--wait takes a time such as"],
    [["greet", "a", "--wait", "0"], "--wait takes a time such as"],
    [["greet", "a", "--tone", "loud"], "--tone takes one of warm, dry"],
    [["greet", "a", "--loud=yes"], "--loud takes no value"],
    [["greet", "a", "--timse", "3"], "unknown option --timse"],
    [["gret"], 'there is no command "gret"'],
    [["fail", "extra"], 'unexpected "extra"'],
  ])("%j is a usage error that names the word", async (argv, message) => {
    const { exit, stderr, stdout } = await drive(argv);
    expect(exit).toBe(EXIT_CODES.usage);
    expect(stderr).toContain(message);
    expect(stdout).toBe("");
  });

  test("a typing error is answered with the word that was meant", async () => {
    expect((await drive(["gret"])).stderr).toContain("did you mean: runcode greet");
    expect((await drive(["greet", "a", "--tims", "1"])).stderr).toContain("did you mean --times?");
  });
});

describe("what comes out", () => {
  test("stdout carries the text alone, or the one document", async () => {
    expect((await drive(["greet", "ada"])).stdout).toBe("hello ada\n");
    expect((await drive(["greet", "ada", "--json"])).stdout).toBe('{"greeted":"ada"}\n');
  });

  test.each(Object.entries(EXIT_CODES))(
    "%s exits %i, on stdout under --json and on stderr without",
    async (code, exit) => {
      const error = new RuncodeError(code as ErrorCode, "it broke", { hint: "mend it", phase: "remote" });
      const json = await drive(["fail", "--json"], { error });
      expect(json.exit).toBe(exit);
      expect(JSON.parse(json.stdout)).toEqual({ error: code, message: "it broke", hint: "mend it", phase: "remote" });
      const plain = await drive(["fail"], { error });
      expect(plain.stdout).toBe("");
      expect(plain.stderr).toBe(exit < 128 ? "runcode: it broke\n  mend it\n" : "");
    },
  );

  test("exec and ssh keep 255 for all that is not the remote command's, but not for a signal", async () => {
    expect((await drive(["fail"], { error: new RuncodeError("not_found", "no"), remote: true })).exit).toBe(255);
    expect((await drive(["fail", "--bogus"], { error: null, remote: true })).exit).toBe(255);
    expect((await drive(["fail"], { error: new RuncodeError("interrupted", "no"), remote: true })).exit).toBe(130);
  });

  test("a defect is `error`, with its stack only under --debug", async () => {
    const error = new TypeError("x is not a function");
    const plain = await drive(["fail"], { error });
    expect(plain.exit).toBe(1);
    expect(plain.stderr).not.toContain(" at ");
    expect((await drive(["fail", "--debug"], { error })).stderr).toContain("TypeError: x is not a function\n");
  });

  test("control characters of others never reach the terminal", async () => {
    const error = new RuncodeError("conflict", "a\u001b]0;pwned\u0007b\u009b31m\r\n\u202ec", { hint: "\u001b[2Jx" });
    expect((await drive(["fail"], { error })).stderr).toBe("runcode: a]0;pwnedb31mc\n  [2Jx\n");
    const { stderr } = await drive(["fail", "--debug"], { error });
    expect(stderr).toContain("RuncodeError: a]0;pwned");
    expect(stderr).not.toMatch(/[\u0007\u001b\u009b\u202e]/);
  });

  test("a document holds them escaped, those that JSON would let stand as well, and says the same", async () => {
    const name = "\u001b]0;x\u0007\u007f\u009b31m\u202e\u2028é";
    const { stdout } = await drive(["greet", name, "--json"]);
    expect(stdout).not.toMatch(/[\u0007\u001b\u007f-\u009f\u202e\u2028]/);
    expect(JSON.parse(stdout)).toEqual({ greeted: name });
  });

  test("colour follows NO_COLOR, FORCE_COLOR and the terminal, and never enters JSON", async () => {
    const error = new RuncodeError("conflict", "no");
    const red = "\u001b[31m";
    expect((await drive(["fail"], { error, tty: true })).stderr).toContain(red);
    expect((await drive(["fail"], { error })).stderr).not.toContain(red);
    expect((await drive(["fail"], { error, tty: true, env: { NO_COLOR: "1" } })).stderr).not.toContain(red);
    expect((await drive(["fail"], { error, env: { FORCE_COLOR: "1" } })).stderr).toContain(red);
    expect((await drive(["fail", "--json"], { error, tty: true, env: { FORCE_COLOR: "1" } })).stdout).not.toContain(
      red,
    );
  });

  test("--quiet keeps the failure and drops the hint", async () => {
    const error = new RuncodeError("conflict", "no", { hint: "do this" });
    expect((await drive(["fail", "--quiet"], { error })).stderr).toBe("runcode: no\n");
  });
});

describe("help", () => {
  test("the page of a command shows every option, the examples and the document", async () => {
    const { stdout, exit } = await drive(["greet", "--help"]);
    expect(exit).toBe(0);
    for (const part of [
      "Usage: runcode greet [options] <name> [others...] -- command",
      "-l, --loud",
      "--no-fuss",
      "$ runcode greet ada",
      "\nSays it to one person, or to several.\n\nBy these words:\n  ada     her\n  * all   them\n",
      "{greeted}",
      "--api-base <URL>",
    ]) {
      expect(stdout).toContain(part);
    }
  });

  test("help, help <command> and no words at all answer on stdout with 0", async () => {
    expect((await drive([])).stdout).toContain("Greet somebody");
    expect(await drive(["help", "greet"])).toEqual(await drive(["greet", "-h"]));
    expect((await drive(["hello", "--help"])).stdout).toContain("runcode greet");
  });

  test.each([
    ["paint", "--help"],
    ["-h", "paint"],
    ["help", "paint"],
  ])("%s %s: a word that begins several commands and is none shows them", async (...argv) => {
    const { stdout, exit } = await drive(argv);
    expect(exit).toBe(0);
    expect(stdout).toContain("Usage: runcode paint <command>");
    expect(stdout).toMatch(/paint blue +Fail\n/);
    expect(stdout).not.toContain("greet");
    const { help } = JSON.parse((await drive([...argv, "--json"])).stdout) as { help: string };
    expect(help).toBe(stdout);
  });

  test("a word that begins several commands and is none says which, without being asked for help", async () => {
    const { stderr, exit } = await drive(["paint"]);
    expect(exit).toBe(2);
    expect(stderr).toContain("paint takes one of red, blue");
    expect((await drive(["paint", "green", "--help"])).exit).toBe(2);
  });

  test("--help behind -- belongs to the remote command", async () => {
    expect((await drive(["greet", "a", "--", "--help"])).args).toMatchObject({ rest: ["--help"] });
  });

  test("--version is the version, and a document under --json", async () => {
    expect((await drive(["--version"])).stdout).toBe("9.9.9\n");
    expect((await drive(["--json", "--version"])).stdout).toBe('{"version":"9.9.9"}\n');
  });
});

test("a terminal of no width gets lines in place of a spinner", async () => {
  let said = "";
  const stderr = { isTTY: true, columns: 0, write: (chunk: string | Uint8Array) => void (said += String(chunk)) };
  const streams = { stdin: Readable.from([]), stdout: stderr, stderr };
  const progress = await new Output({ streams, env: {}, json: false, quiet: false }).progress("Connecting");
  progress.done("There");
  expect(said).toBe("Connecting\nThere\n");
});
