// What `create` sends of its flags, and where a secret among them can be seen on the way.
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runProgram, testHome, type Ran, type TestHome } from "../harness/index.ts";
import { lyingPlane, WORKSPACE, type LyingPlane } from "./plane.ts";

const SECRET = "secret-value-of-mine";
let plane: LyingPlane;
let home: TestHome;
/** The command line of every process, as it was while the control plane had not answered yet. */
let lines: string[];

beforeAll(async () => {
  plane = lyingPlane();
  home = await testHome();
});
afterAll(async () => {
  await plane.close();
  await home.remove();
});
beforeEach(() => {
  lines = [];
  plane.seen.length = 0;
  plane.answers = {
    mint: async () => {
      const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
      lines = await Promise.all(
        pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
      );
      return Response.json({ data: { workspace: WORKSPACE } });
    },
  };
});

const create = (words: readonly string[]): Promise<Ran> =>
  runProgram(["create", "demo", ...words], {
    env: { ...home.env, RUNCODE_API_BASE: plane.base, RUNCODE_TOKEN: "t", MY_KEY: SECRET, EMPTY: "" },
  });
const sent = async (words: readonly string[]): Promise<Record<string, unknown>> => {
  const ran = await create(words);
  expect(ran).toMatchObject({ exitCode: 0 });
  const { title, ...rest } = JSON.parse(plane.seen.at(-1)?.body ?? "{}") as Record<string, unknown>;
  expect(title).toBe("demo");
  return rest;
};

describe("create", () => {
  test("sends what is noted, set and run, and nothing of what was not said", async () => {
    const flags = ["--env", "A=1=2", "-e", "B=", "--label", "team=search=x", "--label", "marked"];
    expect(await sent([...flags, "--", "nginx", "-g", "daemon off;"])).toEqual({
      environment: { A: "1=2", B: "" },
      labels: { team: "search=x", marked: "" },
      command: ["nginx", "-g", "daemon off;"],
    });
    expect(await sent([])).toEqual({});
  });

  test.each([
    ["a program by its name", "/usr/bin/whoami", ["/usr/bin/whoami"]],
    ["a line for the shell", "cd api && make", "cd api && make"],
    ["a line with a variable", "$SERVER", "$SERVER"],
  ])("takes one word for %s where it is one", async (_, word, command) => {
    expect(await sent(["--", word])).toEqual({ command });
  });

  test("takes values from here and from files, the flag's before the file's, and no process's line shows one", async () => {
    const file = path.join(home.dir, "vars");
    await writeFile(file, `\ufeff# a note\r\n\nFROM_FILE=${SECRET}2\r\n  QUOTED="a b" # c\nA=file\nMY_KEY\n`);
    const later = path.join(home.dir, "later");
    await writeFile(later, "FROM_FILE=later\n");
    const words = ["--env-file", file, "--env-file", later, "--env", "A=flag", "--env", "EMPTY", "--env", "MY_KEY"];
    expect(await sent(words)).toEqual({
      environment: { FROM_FILE: "later", QUOTED: '"a b" # c', A: "flag", MY_KEY: SECRET, EMPTY: "" },
    });
    expect(lines.join("\n")).toContain("--env-file");
    expect(lines.join("\n")).not.toContain(SECRET);
  });

  test.each([
    [["--env", "NOT_SET_HERE"], "--env: NOT_SET_HERE is not set here"],
    [["--env", `1A=${SECRET}`], "--env: takes NAME=VALUE"],
    [["--env", `=${SECRET}`], "--env: takes NAME=VALUE"],
    [["--env-file", "VARS"], "VARS, line 2: takes NAME=VALUE"],
    [["--env-file", "no-such-file"], "--env-file: there is no file no-such-file"],
    [["--label", `=${SECRET}`], "--label takes KEY=VALUE"],
  ])("refuses %j before it asks anybody, and does not repeat the value", async (words, why) => {
    const file = path.join(home.dir, "bad");
    await writeFile(file, `OK=1\nnot a name=${SECRET}\n`);
    const ran = await create([...words.map((word) => (word === "VARS" ? file : word)), "--json"]);
    expect([ran.exitCode, ran.json()["error"]]).toEqual([2, "usage"]);
    expect(ran.stdout).toContain(why.replace("VARS", file));
    expect(ran.stdout + ran.stderr).not.toContain(SECRET);
    expect(plane.seen).toEqual([]);
  });
});
