// Paths on the workspace behind the Tab key: in real shells, over a session that is open, and nothing where there is none.
import { execa } from "execa";
import { mkdir, readdir, symlink } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BINARY, describeWith, testWith } from "../harness/index.ts";
import { bench, type Bench } from "./workspace.ts";

/** A name that does something wherever a shell reads it a second time. */
const HOSTILE = "odd $(touch owned) `touch owned`;'\"&";

let at: Bench;
let env: Record<string, string>;
let here: string;
beforeAll(async () => {
  at = await bench();
  await at.workspace("demo");
  await at.ok(["connect", "demo", "--wait"]);
  await mkdir(path.join(at.home.dir, "bin"));
  await symlink(BINARY, path.join(at.home.dir, "bin/runcode"));
  env = { ...at.env, PATH: `${path.join(at.home.dir, "bin")}:${at.env["PATH"]}`, SHELL: "/bin/sh" };
  here = path.join(at.home.dir, "project");
  await mkdir(path.join(here, "srv-here"));
  const names = [
    "src/main.ts",
    "src/maps/a.json",
    "src/.hidden",
    "two words.txt",
    HOSTILE,
    "evil\u001b[31m",
    "a\nb",
    "-dash",
  ];
  for (const name of names) {
    const dir = path.posix.dirname(name);
    await at.ok(["exec", "--", "mkdir", "-p", "--", dir]);
    await at.ok(["exec", "--", "touch", "--", name]);
  }
}, 120_000);
afterAll(() => at.close());

const offered = async (...words: string[]): Promise<string[]> => {
  const ran = await at.run(["completion", "paths", "--json", "--", ...words], { env });
  expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
  return ran.json<{ paths: string[] }>().paths;
};

describe("completion paths", () => {
  test("gives what begins like the last word, written the same way, with a slash after directories", async () => {
    expect(await offered("get", "s")).toEqual(["src/"]);
    expect(await offered("get", "src/ma")).toEqual(["src/main.ts", "src/maps/"]);
    expect(await offered("get", "./src/ma")).toEqual(["./src/main.ts", "./src/maps/"]);
    expect(await offered("get", "src/")).toEqual(["src/main.ts", "src/maps/"]);
    expect(await offered("get", "src/.")).toContain("src/.hidden");
    const { workdir } = (await at.ok(["current", "--json"])).json<{ workdir: string }>();
    expect(await offered("get", `${workdir}/sr`)).toEqual([`${workdir}/src/`]);
    await at.ok(["exec", "--home", "--", "touch", "at-home"]);
    expect(await offered("get", "~/at-h")).toEqual(["~/at-home"]);
    expect(await offered("get", "nothing")).toEqual([]);
    expect(await offered("get", "-d")).toEqual(["-dash"]);
  });

  test("gives every name as it is, but none that a terminal would obey or that is two lines", async () => {
    const all = await offered("get", "");
    expect(all).toEqual(expect.arrayContaining(["src/", "two words.txt", HOSTILE]));
    expect(all.filter((name) => /evil|^a|^b/.test(name))).toEqual([]);
  });

  test("asks the workspace that the line names", async () => {
    expect(await offered("get", "--workspace", "demo", "s")).toEqual(["src/"]);
    expect(await offered("ssh", "demo", "--cwd", "s")).toEqual(["src/"]);
    for (const words of [["-w", "other"], ["--workspace=other"], ["--profile", "x"], ["--api-base=http://127.0.0.1:1"]])
      expect([words, await offered("get", ...words, "s")]).toEqual([words, []]);
  });

  test("opens nothing and says nothing where no session is open", async () => {
    for (const more of [
      { XDG_CACHE_HOME: path.join(at.home.dir, "empty") },
      { RUNCODE_API_BASE: "not a url" },
      { RUNCODE_API_BASE: "https://nothing.invalid" },
    ]) {
      const ran = await at.run(["completion", "paths", "--", "get", "s"], { env: { ...env, ...more } });
      expect(ran).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    }
    expect(await readdir(path.join(at.home.dir, "empty")).catch(() => [])).toEqual([]);
  });
});

/** Types `keys` into an interactive shell on a terminal and gives the line that it then has. */
async function typed(shell: "bash" | "zsh", keys: string): Promise<string> {
  // The marks are put together, so that the shell's echo of these lines does not look like its answer.
  const setUp =
    shell === "bash"
      ? `eval "$(runcode completion bash)"; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'
shown() { printf '%s' '<''<<'"$READLINE_LINE"'>''>>'; }; bind -x '"\\C-x\\C-p": shown'; echo rea''dy`
      : `unset zle_bracketed_paste; autoload -Uz compinit && compinit -u -D; eval "$(runcode completion zsh)"; setopt no_beep
shown() { print -rn -- '<''<<'"$BUFFER"'>''>>' }; zle -N shown; bindkey '^X^P' shown; echo rea''dy`;
  const script = `zmodload zsh/zpty
zpty t ${shell === "bash" ? "bash --norc --noprofile -i" : "zsh -f -i"}
zpty -w t ${quote(setUp)}
zpty -r t out '*ready*' || exit 1
zpty -w -n t ${quote(`${keys}\t`)}$'\\C-x\\C-p'
zpty -r t out '*<<<*>>>*' || exit 1
print -r -- "\${\${out##*<<<}%%>>>*}"
zpty -d t`;
  const { stdout } = await execa("zsh", ["-f", "-c", script], { env, extendEnv: false, cwd: here, timeout: 25_000 });
  return stdout;
}
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

describe.each(["bash", "zsh"] as const)("the Tab key in %s", (shell) => {
  describeWith("zsh", shell)("on a terminal", () => {
    const rows: [string, string | RegExp][] = [
      ["runcode config-s", "runcode config-ssh "],
      ["runcode jobs ki", "runcode jobs kill "],
      ["runcode jobs kill --gra", "runcode jobs kill --grace "],
      ["runcode create demo --flav", "runcode create demo --flavor "],
      ["runcode connect de", "runcode connect demo "],
      ["runcode get --workspace de", "runcode get --workspace demo "],
      ["runcode get sr", "runcode get src/"],
      ["runcode get src/mai", /^runcode get src\/main\.ts ?$/],
      ["runcode get a.txt sr", "runcode get a.txt src/"],
      ["runcode write --mode 600 src/map", "runcode write --mode 600 src/maps/"],
      ["runcode exec --cwd sr", "runcode exec --cwd src/"],
      ["runcode put srv", "runcode put srv-here/"],
      ["runcode put srv-here src/map", "runcode put srv-here src/maps/"],
      ["runcode get two", /^runcode get two\\ words\.txt ?$/],
    ];
    test.each(rows)("makes of %j what was meant", async (keys, line) => {
      if (typeof line === "string") expect(await typed(shell, keys)).toBe(line);
      else expect(await typed(shell, keys)).toMatch(line);
    });

    test("quotes what the shell would run or leaves it out, and runs none of it", async () => {
      const line = await typed(shell, "runcode get odd");
      if (shell === "bash") expect(line).toBe("runcode get odd");
      else {
        const { stdout } = await execa(shell, ["-c", `set -- ${line.replace("runcode get", "")}; printf '%s' "$1"`]);
        expect(stdout).toBe(HOSTILE);
      }
      expect(await readdir(here)).not.toContain("owned");
    });
  });
});

testWith("fish")("fish offers paths on the workspace, with those here where both may stand", async () => {
  const ask = async (line: string): Promise<string[]> => {
    const script = `runcode completion fish | source; complete -C ${quote(line)}`;
    const { stdout } = await execa("fish", ["-N", "-c", script], { env, extendEnv: false, cwd: here });
    return stdout.split("\n").map((each) => each.split("\t")[0] ?? "");
  };
  expect(await ask("runcode get src/ma")).toEqual(["src/main.ts", "src/maps/"]);
  expect(await ask("runcode exec --cwd sr")).toEqual(["src/"]);
  expect(await ask("runcode put srv-here sr")).toEqual(expect.arrayContaining(["src/", "srv-here/"]));
  expect(await ask("runcode get odd")).toEqual([HOSTILE]);
});
